package replicate

import (
	"errors"
	"fmt"

	"hc/lib/compact"
)

// Protocol is the name under which both ends open a core's channel; the channel's id is the discovery key.
const Protocol = "hypercore/alpha"

// The types of a channel's messages are their places in the protocol's list. Source: hypercore, lib/messages.js.
const (
	typeSync = iota
	typeRequest
	typeCancel
	typeData
	typeNoData
	typeWant
	typeUnwant
	typeBitfield
	typeRange
	typeExtension
)

const (
	maxBlock      = 16<<20 - 1 // bytes: what a frame can carry; stock's append stops at 15 MiB, its reader does not
	maxSignature  = 4096       // bytes: a field of many signers; one signer takes 64 or 68
	maxManifest   = 64 << 10   // bytes
	maxWords      = 1 << 16    // of a bitfield: the 2^21 blocks that one want can ask about
	maxProofNodes = 4096       // nodes in one list of a data message; a proof needs about 2·log2(n)
)

// ErrMessage is wrapped by what a peer sent that is not a message of the protocol.
var ErrMessage = errors.New("malformed replication message")

// handshake is what an open carries for this protocol.
type handshake struct {
	Seeks      bool
	Capability [32]byte
}

func (h handshake) append(b []byte) []byte {
	flags := byte(0)
	if h.Seeks {
		flags = 1
	}
	return append(append(b, flags), h.Capability[:]...)
}

func decodeHandshake(b []byte) (handshake, error) {
	d := compact.NewDecoder(b)
	flags := d.Uint()
	h := handshake{Seeks: flags&1 != 0, Capability: d.Fixed32()}
	return h, finish("handshake", d)
}

// syncMessage is a peer's state. RemoteLength is the receiver's length as the sender last heard it, 0 where their
// forks differ; a reader of length n > 0 asks for an upgrade only of a peer that has acknowledged n.
type syncMessage struct {
	CanUpgrade, Uploading, Downloading, HasManifest, AllowPush bool
	Fork, Length, RemoteLength                                 uint64
}

func (m syncMessage) append(b []byte) []byte {
	b = append(b, flagBits(m.CanUpgrade, m.Uploading, m.Downloading, m.HasManifest, m.AllowPush))
	b = compact.AppendUint(b, m.Fork)
	b = compact.AppendUint(b, m.Length)
	return compact.AppendUint(b, m.RemoteLength)
}

func decodeSync(b []byte) (syncMessage, error) {
	d := compact.NewDecoder(b)
	flags := d.Uint()
	m := syncMessage{
		CanUpgrade:  flags&1 != 0,
		Uploading:   flags&2 != 0,
		Downloading: flags&4 != 0,
		HasManifest: flags&8 != 0,
		AllowPush:   flags&16 != 0,
	}
	m.Fork, m.Length, m.RemoteLength = d.Uint(), d.Uint(), d.Uint()
	return m, finish("sync", d)
}

// Why a peer answers noData. 10.x tells none.
const (
	reasonNone = iota
	reasonNotAvailable
	reasonInvalidRequest
)

type noDataMessage struct{ Request, Reason uint64 }

func (m noDataMessage) append(b []byte) []byte {
	b = compact.AppendUint(b, m.Request)
	if m.Reason == reasonNone {
		return append(b, 0)
	}
	return compact.AppendUint(append(b, 1), m.Reason)
}

func decodeNoData(b []byte) (noDataMessage, error) {
	d := compact.NewDecoder(b)
	m := noDataMessage{Request: d.Uint()}
	if d.Left() > 0 && d.Uint()&1 != 0 {
		m.Reason = d.Uint()
	}
	return m, finish("noData", d)
}

func decodeCancel(b []byte) (request uint64, err error) {
	d := compact.NewDecoder(b)
	request = d.Uint()
	return request, finish("cancel", d)
}

// wantMessage asks which blocks of [Start, Start+Length) the receiver has; with Any, for the first one only.
type wantMessage struct {
	Start, Length uint64
	Any           bool
}

func (m wantMessage) append(b []byte) []byte {
	b = compact.AppendUint(compact.AppendUint(b, m.Start), m.Length)
	if m.Any {
		b = append(b, 1)
	}
	return b
}

func decodeWant(b []byte) (wantMessage, error) {
	d := compact.NewDecoder(b)
	m := wantMessage{Start: d.Uint(), Length: d.Uint()}
	if d.Left() > 0 {
		m.Any = d.Uint()&1 != 0
	}
	return m, finish("want", d)
}

// bitfieldMessage says which of the blocks from Start the sender has: bit i%32 of word i/32 is block Start+i.
type bitfieldMessage struct {
	Start uint64
	Words []uint32
}

func (m bitfieldMessage) append(b []byte) []byte {
	b = compact.AppendUint(b, m.Start)
	return compact.AppendUint32s(b, m.Words)
}

func decodeBitfield(b []byte) (bitfieldMessage, error) {
	d := compact.NewDecoder(b)
	m := bitfieldMessage{Start: d.Uint(), Words: d.Uint32s(maxWords)}
	if d.Err() != nil {
		return m, finish("bitfield", d)
	}
	if m.Start%32 != 0 {
		return m, fmt.Errorf("%w: bitfield: it begins at block %d, within a word", ErrMessage, m.Start)
	}
	return m, nil
}

// rangeMessage says that the sender has, or with Drop no longer has, the blocks [Start, Start+Length).
type rangeMessage struct {
	Drop          bool
	Start, Length uint64
}

func (m rangeMessage) append(b []byte) []byte {
	b = append(b, flagBits(m.Drop, m.Length == 1))
	b = compact.AppendUint(b, m.Start)
	if m.Length == 1 {
		return b
	}
	return compact.AppendUint(b, m.Length)
}

func decodeRange(b []byte) (rangeMessage, error) {
	d := compact.NewDecoder(b)
	flags := d.Uint()
	m := rangeMessage{Drop: flags&1 != 0, Start: d.Uint(), Length: 1}
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
		return fmt.Errorf("%w: %s: %w", ErrMessage, what, err)
	}
	return nil
}
