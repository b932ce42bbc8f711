package messages

import (
	"errors"
	"fmt"

	"hc/lib/compact"
)

// Protocol is the name under which both ends open a core's channel; the channel's id is the discovery key.
const Protocol = "hypercore/alpha"

// The types of a channel's messages are their places in the protocol's list. Source: hypercore, lib/messages.js.
const (
	TypeSync = iota
	TypeRequest
	TypeCancel
	TypeData
	TypeNoData
	TypeWant
	TypeUnwant
	TypeBitfield
	TypeRange
	TypeExtension
)

// Limits of what a decoder takes.
const (
	MaxBlock      = 16<<20 - 1 // bytes: what a frame can carry; stock's append stops at 15 MiB, its reader does not
	MaxManifest   = 64 << 10   // bytes
	maxSignature  = 4096       // bytes: the field may hold those of many signers; one takes 64 or 68
	maxWords      = 1 << 16    // of a bitfield: the 2^21 blocks that one want can ask about
	maxProofNodes = 4096       // nodes in one list of a data message; a proof needs about 2·log2(n)
)

// ErrMalformed says that a peer sent something that is not a message of the protocol.
var ErrMalformed = errors.New("malformed replication message")

// Handshake is what an open carries for this protocol.
type Handshake struct {
	Seeks      bool
	Capability [32]byte
}

// Append appends the handshake.
func (h Handshake) Append(b []byte) []byte {
	flags := byte(0)
	if h.Seeks {
		flags = 1
	}
	return append(append(b, flags), h.Capability[:]...)
}

// DecodeHandshake is the inverse of Append.
func DecodeHandshake(b []byte) (Handshake, error) {
	d := compact.NewDecoder(b)
	flags := d.Uint()
	h := Handshake{Seeks: flags&1 != 0, Capability: d.Fixed32()}
	return h, finish("handshake", d)
}

// Sync is a peer's state. RemoteLength is the receiver's length as the sender last heard it, 0 if their forks differ. A
// reader of length n > 0 asks for an upgrade only from a peer that has acknowledged n.
type Sync struct {
	CanUpgrade, Uploading, Downloading, HasManifest, AllowPush bool
	Fork, Length, RemoteLength                                 uint64
}

// Append appends the message.
func (m Sync) Append(b []byte) []byte {
	b = append(b, flagBits(m.CanUpgrade, m.Uploading, m.Downloading, m.HasManifest, m.AllowPush))
	b = compact.AppendUint(b, m.Fork)
	b = compact.AppendUint(b, m.Length)
	return compact.AppendUint(b, m.RemoteLength)
}

// DecodeSync is the inverse of Append.
func DecodeSync(b []byte) (Sync, error) {
	d := compact.NewDecoder(b)
	flags := d.Uint()
	m := Sync{
		CanUpgrade:  flags&1 != 0,
		Uploading:   flags&2 != 0,
		Downloading: flags&4 != 0,
		HasManifest: flags&8 != 0,
		AllowPush:   flags&16 != 0,
	}
	m.Fork, m.Length, m.RemoteLength = d.Uint(), d.Uint(), d.Uint()
	return m, finish("sync", d)
}

// The reasons for an answer noData. 10.x gives none.
const (
	ReasonNone = iota
	ReasonNotAvailable
	ReasonInvalidRequest
)

// NoData says that there is no answer to a request, and why.
type NoData struct{ Request, Reason uint64 }

// Append appends the message.
func (m NoData) Append(b []byte) []byte {
	b = compact.AppendUint(b, m.Request)
	if m.Reason == ReasonNone {
		return append(b, 0)
	}
	return compact.AppendUint(append(b, 1), m.Reason)
}

// DecodeNoData is the inverse of Append.
func DecodeNoData(b []byte) (NoData, error) {
	d := compact.NewDecoder(b)
	m := NoData{Request: d.Uint()}
	if d.Left() > 0 && d.Uint()&1 != 0 {
		m.Reason = d.Uint()
	}
	return m, finish("noData", d)
}

// DecodeCancel returns the id of the request that is withdrawn.
func DecodeCancel(b []byte) (request uint64, err error) {
	d := compact.NewDecoder(b)
	request = d.Uint()
	return request, finish("cancel", d)
}

// Want asks which blocks of [Start, Start+Length) the receiver has; with Any, for the first one only.
type Want struct {
	Start, Length uint64
	Any           bool
}

// Append appends the message.
func (m Want) Append(b []byte) []byte {
	b = compact.AppendUint(compact.AppendUint(b, m.Start), m.Length)
	if m.Any {
		b = append(b, 1)
	}
	return b
}

// DecodeWant is the inverse of Append.
func DecodeWant(b []byte) (Want, error) {
	d := compact.NewDecoder(b)
	m := Want{Start: d.Uint(), Length: d.Uint()}
	if d.Left() > 0 {
		m.Any = d.Uint()&1 != 0
	}
	return m, finish("want", d)
}

// Bitfield says which of the blocks from Start the sender has: bit i%32 of word i/32 is block Start+i.
type Bitfield struct {
	Start uint64
	Words []uint32
}

// Set sets the bits of the blocks [start, end), as far as the field goes.
func (m *Bitfield) Set(start, end uint64) {
	from, to := max(start, m.Start)-m.Start, min(end-m.Start, 32*uint64(len(m.Words)))
	for ; from < to && from%32 != 0; from++ {
		m.Words[from/32] |= 1 << (from % 32)
	}
	for ; from+32 <= to; from += 32 {
		m.Words[from/32] = 1<<32 - 1
	}
	for ; from < to; from++ {
		m.Words[from/32] |= 1 << (from % 32)
	}
}

// Append appends the message.
func (m Bitfield) Append(b []byte) []byte {
	b = compact.AppendUint(b, m.Start)
	return compact.AppendUint32s(b, m.Words)
}

// DecodeBitfield is the inverse of Append.
func DecodeBitfield(b []byte) (Bitfield, error) {
	d := compact.NewDecoder(b)
	m := Bitfield{Start: d.Uint(), Words: d.Uint32s(maxWords)}
	if d.Err() != nil {
		return m, finish("bitfield", d)
	}
	if m.Start%32 != 0 {
		return m, fmt.Errorf("%w: bitfield: it begins at block %d, within a word", ErrMalformed, m.Start)
	}
	return m, nil
}

// Range says that the sender has, or with Drop no longer has, the blocks [Start, Start+Length).
type Range struct {
	Drop          bool
	Start, Length uint64
}

// Append appends the message.
func (m Range) Append(b []byte) []byte {
	b = append(b, flagBits(m.Drop, m.Length == 1))
	b = compact.AppendUint(b, m.Start)
	if m.Length == 1 {
		return b
	}
	return compact.AppendUint(b, m.Length)
}

// DecodeRange is the inverse of Append.
func DecodeRange(b []byte) (Range, error) {
	d := compact.NewDecoder(b)
	flags := d.Uint()
	m := Range{Drop: flags&1 != 0, Start: d.Uint(), Length: 1}
	if flags&2 == 0 {
		m.Length = d.Uint()
	}
	return m, finish("range", d)
}

func flagBits(flags ...bool) byte {
	bits := byte(0)
	for i, set := range flags {
		if set {
			bits |= 1 << i
		}
	}
	return bits
}

func finish(what string, d *compact.Decoder) error {
	if err := d.Err(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMalformed, what, err)
	}
	return nil
}
