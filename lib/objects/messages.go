package objects

import (
	"fmt"

	"hc/lib/compact"
	"hc/lib/merkle"
)

// AskLeaves asks for the leaf hashes of neighbouring blocks.
type AskLeaves struct {
	ID, Fork, First, Count uint64
	Nodes                  []uint64 // tree nodes that are wanted, too
}

// Append appends the message's body.
func (m AskLeaves) Append(b []byte) []byte {
	for _, n := range []uint64{m.ID, m.Fork, m.First, m.Count} {
		b = compact.AppendUint(b, n)
	}
	return appendIndexes(b, m.Nodes)
}

// DecodeAskLeaves reads the message's body.
func DecodeAskLeaves(b []byte) (AskLeaves, error) {
	d := compact.NewDecoder(b)
	m := decodeAskLeaves(d)
	return m, finish("leaves?", d)
}

func decodeAskLeaves(d *compact.Decoder) AskLeaves {
	m := AskLeaves{ID: d.Uint(), Fork: d.Uint(), First: d.Uint(), Count: d.Uint(), Nodes: decodeIndexes(d)}
	if m.Count == 0 || m.Count > MaxLeaves || m.First >= merkle.MaxLength {
		d.Fail("%d leaves from %d on", m.Count, m.First)
	}
	return m
}

// Leaves is the answer: nodes without their indexes, which the receiver knows.
type Leaves struct {
	ID            uint64
	Leaves, Nodes []merkle.Node
}

// Append appends the message's body.
func (m Leaves) Append(b []byte) []byte {
	return appendNodes(appendNodes(compact.AppendUint(b, m.ID), m.Leaves), m.Nodes)
}

// DecodeLeaves reads the message's body.
func DecodeLeaves(b []byte) (Leaves, error) {
	d := compact.NewDecoder(b)
	m := Leaves{ID: d.Uint(), Leaves: decodeNodes(d, MaxLeaves), Nodes: decodeNodes(d, MaxNodes)}
	return m, finish("leaves", d)
}

// Span is neighbouring blocks.
type Span struct{ First, Count uint64 }

// AskBlocks asks for blocks.
type AskBlocks struct {
	ID, Fork uint64
	Prove    bool     // their leaf hashes are not known; one span only
	Spans    []Span   // ascending and apart
	Nodes    []uint64 // tree nodes that are wanted, too; only with Prove
}

// Count returns how many blocks are asked for.
func (m AskBlocks) Count() (count uint64) {
	for _, s := range m.Spans {
		count += s.Count
	}
	return count
}

const (
	flagProve = 1 << iota
	flagMaps
)

// Append appends the message's body.
func (m AskBlocks) Append(b []byte) []byte { return m.append(b, 0) }

// append is Append with flags added to the message's own.
func (m AskBlocks) append(b []byte, flags byte) []byte {
	if m.Prove {
		flags |= flagProve
	}
	b = append(compact.AppendUint(compact.AppendUint(b, m.ID), m.Fork), flags)
	b = compact.AppendUint(b, uint64(len(m.Spans)))
	end := uint64(0)
	for _, s := range m.Spans {
		b = compact.AppendUint(compact.AppendUint(b, s.First-end), s.Count)
		end = s.First + s.Count
	}
	return appendIndexes(b, m.Nodes)
}

// DecodeAskBlocks reads the message's body.
func DecodeAskBlocks(b []byte) (AskBlocks, error) {
	d := compact.NewDecoder(b)
	m, _ := decodeAskBlocks(d, flagProve)
	return m, finish("blocks?", d)
}

// decodeAskBlocks accepts only the allowed flags, and returns them.
func decodeAskBlocks(d *compact.Decoder, allowed uint64) (m AskBlocks, flags uint64) {
	m = AskBlocks{ID: d.Uint(), Fork: d.Uint()}
	flags = d.Uint()
	m.Prove = flags&flagProve != 0
	spans := d.ArrayLen(2, MaxSpans)
	if flags&^allowed != 0 || spans == 0 && d.Err() == nil {
		d.Fail("flags %d, %d spans", flags, spans)
	}
	end, total := uint64(0), uint64(0)
	for range spans {
		gap, count := d.Uint(), d.Uint()
		if d.Err() != nil || count == 0 || count > MaxBlocks || gap > merkle.MaxLength || end+gap+count > merkle.MaxLength {
			d.Fail("a span of %d blocks, %d after block %d", count, gap, end)
			break
		}
		m.Spans = append(m.Spans, Span{end + gap, count})
		end += gap + count
		total += count
	}
	m.Nodes = decodeIndexes(d)
	if total > MaxBlocks || m.Prove && spans > 1 || !m.Prove && len(m.Nodes) > 0 {
		d.Fail("%d blocks in %d spans, %d nodes, prove %v", total, spans, len(m.Nodes), m.Prove)
	}
	return m, flags
}

// QuestionID returns the ID that every question begins with, for a peer that answers no questions.
func QuestionID(question []byte) (uint64, error) {
	d := compact.NewDecoder(question)
	id := d.Uint()
	if err := d.Err(); err != nil {
		return 0, fmt.Errorf("%w: a question's id: %w", ErrMessage, err)
	}
	return id, nil
}

// None refuses an answer.
type None struct{ ID, Reason uint64 }

// Append appends the message's body.
func (m None) Append(b []byte) []byte {
	return compact.AppendUint(compact.AppendUint(b, m.ID), m.Reason)
}

// DecodeNone reads the message's body.
func DecodeNone(b []byte) (None, error) {
	d := compact.NewDecoder(b)
	m := None{ID: d.Uint(), Reason: d.Uint()}
	return m, finish("none", d)
}

func appendIndexes(b []byte, indexes []uint64) []byte {
	b = compact.AppendUint(b, uint64(len(indexes)))
	for _, index := range indexes {
		b = compact.AppendUint(b, index)
	}
	return b
}

func decodeIndexes(d *compact.Decoder) []uint64 {
	var indexes []uint64
	for range d.ArrayLen(1, MaxNodes) {
		index := d.Uint()
		if index >= 2*merkle.MaxLength {
			d.Fail("node %d is beyond the limit", index)
		}
		indexes = append(indexes, index)
	}
	return indexes
}

// nodeMin is the fewest bytes that a node takes.
const nodeMin = 33

func appendNodes(b []byte, nodes []merkle.Node) []byte {
	b = compact.AppendUint(b, uint64(len(nodes)))
	for _, node := range nodes {
		b = append(compact.AppendUint(b, node.Size), node.Hash[:]...)
	}
	return b
}

func decodeNodes(d *compact.Decoder, most int) []merkle.Node {
	count := d.ArrayLen(nodeMin, most)
	if count == 0 {
		return nil
	}
	nodes := make([]merkle.Node, count)
	for i := range nodes {
		nodes[i] = merkle.Node{Size: d.Uint(), Hash: d.Fixed32()}
		if nodes[i].Size > merkle.MaxBytes {
			d.Fail("a node of %d bytes", nodes[i].Size)
		}
	}
	return nodes
}

// finish refuses a message that broke a rule, or that bytes follow.
func finish(what string, d *compact.Decoder) error {
	if d.Err() == nil && d.Left() > 0 {
		d.Fail("%d bytes after it", d.Left())
	}
	if err := d.Err(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMessage, what, err)
	}
	return nil
}
