package replicate

import (
	"errors"
	"fmt"

	"hc/lib/compact"
	"hc/lib/merkle"
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

// The parts of a request and of its answer share their bits.
const (
	partBlock = 1 << iota
	partHash
	partSeek
	partUpgrade
	partManifest
	partPriority
)

func appendRequest(b []byte, r merkle.Request) []byte {
	b = append(b, flagBits(r.Block != nil, r.Hash != nil && r.Block == nil, r.Seek != nil, r.Upgrade != nil, r.Manifest, r.Priority != 0))
	b = compact.AppendUint(b, r.ID)
	b = compact.AppendUint(b, r.Fork)
	switch {
	case r.Block != nil:
		b = compact.AppendUint(compact.AppendUint(b, r.Block.Index), r.Block.Nodes)
	case r.Hash != nil:
		b = compact.AppendUint(compact.AppendUint(b, r.Hash.Index), r.Hash.Nodes)
	}
	if r.Seek != nil {
		b = compact.AppendUint(compact.AppendUint(b, r.Seek.Bytes), r.Seek.Padding)
	}
	if r.Upgrade != nil {
		b = compact.AppendUint(compact.AppendUint(b, r.Upgrade.Start), r.Upgrade.Length)
	}
	if r.Priority != 0 {
		b = compact.AppendUint(b, r.Priority)
	}
	return b
}

func decodeRequest(b []byte) (merkle.Request, error) {
	d := compact.NewDecoder(b)
	flags := d.Uint()
	r := merkle.Request{ID: d.Uint(), Fork: d.Uint(), Manifest: flags&partManifest != 0}
	if flags&partBlock != 0 {
		r.Block = &merkle.BlockRequest{Index: d.Uint(), Nodes: d.Uint()}
	}
	if flags&partHash != 0 {
		hash := &merkle.HashRequest{Index: d.Uint(), Nodes: d.Uint()}
		if r.Block == nil { // block wins where both are asked for
			r.Hash = hash
		}
	}
	if flags&partSeek != 0 {
		r.Seek = &merkle.SeekRequest{Bytes: d.Uint(), Padding: d.Uint()}
	}
	if flags&partUpgrade != 0 {
		r.Upgrade = &merkle.UpgradeRequest{Start: d.Uint(), Length: d.Uint()}
	}
	if flags&partPriority != 0 {
		r.Priority = d.Uint()
	}
	return r, finish("request", d)
}

// dataHead is all of a data message up to a block's value, dataTail all behind it, so that a value is sent from
// where it lies.
func dataHead(b []byte, p *merkle.Proof) []byte {
	b = append(b, flagBits(p.Block != nil, p.Hash != nil, p.Seek != nil, p.Upgrade != nil, p.Manifest != nil))
	b = compact.AppendUint(b, p.ID)
	b = compact.AppendUint(b, p.Fork)
	if p.Block != nil {
		b = compact.AppendUint(b, p.Block.Index)
		b = compact.AppendUint(b, uint64(len(p.Block.Value)))
	}
	return b
}

func dataTail(b []byte, p *merkle.Proof) []byte {
	if p.Block != nil {
		b = appendNodes(b, p.Block.Nodes)
	}
	if p.Hash != nil {
		b = appendNodes(compact.AppendUint(b, p.Hash.Index), p.Hash.Nodes)
	}
	if p.Seek != nil {
		b = appendNodes(compact.AppendUint(b, p.Seek.Bytes), p.Seek.Nodes)
	}
	if p.Upgrade != nil {
		b = compact.AppendUint(compact.AppendUint(b, p.Upgrade.Start), p.Upgrade.Length)
		b = appendNodes(b, p.Upgrade.Nodes)
		b = appendNodes(b, p.Upgrade.Additional)
		b = compact.AppendBuffer(b, p.Upgrade.Signature)
	}
	return append(b, p.Manifest...)
}

func appendData(b []byte, p *merkle.Proof) []byte {
	b = dataHead(b, p)
	if p.Block != nil {
		b = append(b, p.Block.Value...)
	}
	return dataTail(b, p)
}

// decodeData returns the proof in a data message. Its value, signature and manifest alias b.
func decodeData(b []byte) (*merkle.Proof, error) {
	d := compact.NewDecoder(b)
	flags := d.Uint()
	p := &merkle.Proof{ID: d.Uint(), Fork: d.Uint()}
	if flags&partBlock != 0 {
		p.Block = &merkle.BlockProof{Index: d.Uint(), Value: d.Buffer(maxBlock), Nodes: decodeNodes(d)}
	}
	if flags&partHash != 0 {
		p.Hash = &merkle.HashProof{Index: d.Uint(), Nodes: decodeNodes(d)}
	}
	if flags&partSeek != 0 {
		p.Seek = &merkle.SeekProof{Bytes: d.Uint(), Nodes: decodeNodes(d)}
	}
	if flags&partUpgrade != 0 {
		p.Upgrade = &merkle.UpgradeProof{
			Start: d.Uint(), Length: d.Uint(), Nodes: decodeNodes(d), Additional: decodeNodes(d), Signature: d.Buffer(maxSignature),
		}
	}
	if flags&partManifest != 0 {
		if d.Left() > maxManifest {
			return nil, fmt.Errorf("%w: data: manifest of %d bytes", ErrMessage, d.Left())
		}
		p.Manifest = d.Rest()
	}
	return p, finish("data", d)
}

// nodeMin is the fewest bytes that a node takes: two small numbers and a hash.
const nodeMin = 34

func appendNodes(b []byte, nodes []merkle.Node) []byte {
	b = compact.AppendUint(b, uint64(len(nodes)))
	for _, node := range nodes {
		b = compact.AppendUint(compact.AppendUint(b, node.Index), node.Size)
		b = append(b, node.Hash[:]...)
	}
	return b
}

func decodeNodes(d *compact.Decoder) []merkle.Node {
	count := d.ArrayLen(nodeMin, maxProofNodes)
	if count == 0 {
		return nil
	}
	nodes := make([]merkle.Node, 0, count)
	for range count {
		nodes = append(nodes, merkle.Node{Index: d.Uint(), Size: d.Uint(), Hash: d.Fixed32()})
	}
	return nodes
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
	b = compact.AppendUint(b, uint64(len(m.Words)))
	for _, word := range m.Words {
		b = append(b, byte(word), byte(word>>8), byte(word>>16), byte(word>>24))
	}
	return b
}

func decodeBitfield(b []byte) (bitfieldMessage, error) {
	d := compact.NewDecoder(b)
	m := bitfieldMessage{Start: d.Uint()}
	count := d.ArrayLen(4, maxWords)
	if d.Err() != nil {
		return m, finish("bitfield", d)
	}
	rest := d.Rest()
	m.Words = make([]uint32, count)
	for i := range m.Words {
		word := rest[4*i:]
		m.Words[i] = uint32(word[0]) | uint32(word[1])<<8 | uint32(word[2])<<16 | uint32(word[3])<<24
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
