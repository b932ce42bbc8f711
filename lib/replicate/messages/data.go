package messages

import (
	"fmt"

	"hc/lib/compact"
	"hc/lib/merkle"
)

// The parts of a request and of its answer share their bits.
const (
	partBlock = 1 << iota
	partHash
	partSeek
	partUpgrade
	partManifest
	partPriority
)

// AppendRequest appends a request message.
func AppendRequest(b []byte, r merkle.Request) []byte {
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

// DecodeRequest is the inverse of AppendRequest. It leaves out a hash if a block is asked for, too.
func DecodeRequest(b []byte) (merkle.Request, error) {
	d := compact.NewDecoder(b)
	flags := d.Uint()
	r := merkle.Request{ID: d.Uint(), Fork: d.Uint(), Manifest: flags&partManifest != 0}
	if flags&partBlock != 0 {
		r.Block = &merkle.BlockRequest{Index: d.Uint(), Nodes: d.Uint()}
	}
	if flags&partHash != 0 {
		hash := &merkle.HashRequest{Index: d.Uint(), Nodes: d.Uint()}
		if r.Block == nil { // the block wins if both are asked for
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

// AppendDataHead appends a data message up to the block's value, if it has one. The value and the output of [AppendDataTail]
// follow. So a value is copied once, to where the message is sent from.
func AppendDataHead(b []byte, p *merkle.Proof) []byte {
	b = append(b, flagBits(p.Block != nil, p.Hash != nil, p.Seek != nil, p.Upgrade != nil, p.Manifest != nil))
	b = compact.AppendUint(b, p.ID)
	b = compact.AppendUint(b, p.Fork)
	if p.Block != nil {
		b = compact.AppendUint(b, p.Block.Index)
		b = compact.AppendUint(b, uint64(len(p.Block.Value)))
	}
	return b
}

// AppendDataTail appends the part of a data message after the block's value.
func AppendDataTail(b []byte, p *merkle.Proof) []byte {
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

// DecodeData returns the proof in a data message. Its value, signature and manifest alias b.
func DecodeData(b []byte) (*merkle.Proof, error) {
	d := compact.NewDecoder(b)
	flags := d.Uint()
	p := &merkle.Proof{ID: d.Uint(), Fork: d.Uint()}
	if flags&partBlock != 0 {
		p.Block = &merkle.BlockProof{Index: d.Uint(), Value: d.Buffer(MaxBlock), Nodes: decodeNodes(d)}
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
		if d.Left() > MaxManifest {
			return nil, fmt.Errorf("%w: data: manifest of %d bytes", ErrMalformed, d.Left())
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
