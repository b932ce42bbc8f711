package merkle

import (
	"fmt"
	"slices"

	"hc/lib/hash"
)

// Roots grows a log leaf by leaf, holding its full roots only. Not for concurrent use.
type Roots struct {
	length uint64
	nodes  []Node
}

// NewRoots returns the roots of a log of length blocks. nodes are its full roots from left to right, none for an
// empty log; they are copied. It fails where they are not the roots of that length, or too many bytes.
func NewRoots(length uint64, nodes []Node) (*Roots, error) {
	if length > MaxLength {
		return nil, fmt.Errorf("length %d is over the limit of %d blocks", length, uint64(MaxLength))
	}
	want := FullRoots(length)
	if len(want) != len(nodes) {
		return nil, fmt.Errorf("%d roots for length %d, which has %d", len(nodes), length, len(want))
	}
	size := uint64(0)
	for i, n := range nodes {
		if n.Index != want[i] {
			return nil, fmt.Errorf("root %d of length %d is node %d, not %d", i, length, want[i], n.Index)
		}
		if n.Size > MaxBytes-size {
			return nil, fmt.Errorf("roots of length %d are over the limit of %d bytes", length, uint64(MaxBytes))
		}
		size += n.Size
	}
	return &Roots{length: length, nodes: slices.Clone(nodes)}, nil
}

// Append adds the next leaf, whose index must be twice the length; else it panics. It calls emit, if not nil, with
// every parent that this completes, from the bottom up; not with the leaf.
func (r *Roots) Append(leaf Node, emit func(Node)) {
	if leaf.Index != 2*r.length {
		panic(fmt.Sprintf("merkle: internal error: leaf %d appended to a log of %d blocks", leaf.Index, r.length))
	}
	r.length++
	r.nodes = append(r.nodes, leaf)
	// One merge for each trailing zero bit of the new length: as many as the leaf is a right end of subtrees.
	for n := r.length; n&1 == 0; n >>= 1 {
		last := len(r.nodes) - 1
		parent := ParentNode(r.nodes[last-1], r.nodes[last])
		r.nodes = append(r.nodes[:last-1], parent)
		if emit != nil {
			emit(parent)
		}
	}
}

// Length returns the blocks of the log.
func (r *Roots) Length() uint64 { return r.length }

// ByteLength returns the bytes of the log.
func (r *Roots) ByteLength() uint64 { return ByteLength(r.nodes) }

// Nodes returns the full roots from left to right, a copy.
func (r *Roots) Nodes() []Node { return slices.Clone(r.nodes) }

// TreeHash returns what is signed of the log, see [TreeHash].
func (r *Roots) TreeHash() hash.Digest { return TreeHash(r.nodes) }

// Clone returns an independent copy.
func (r *Roots) Clone() *Roots { return &Roots{length: r.length, nodes: slices.Clone(r.nodes)} }
