package merkle

import (
	"context"
	"fmt"
	"math/bits"
	"slices"

	"hc/lib/hash"
)

// Roots grows a log leaf by leaf, holding only its full roots. It is not safe for concurrent use.
type Roots struct {
	length uint64
	nodes  []Node

	level level // of AppendAll, reused
}

// NewRoots returns the roots of a log of length blocks. nodes are its full roots from left to right, none for an
// empty log; they are copied. It fails if they are not the roots of that length, or have too many bytes.
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

// RootsFrom returns the full roots of a log's first length blocks in the source, from left to right.
func RootsFrom(ctx context.Context, source NodeSource, length uint64) ([]Node, error) {
	roots := make([]Node, 0, bits.OnesCount64(length))
	for _, index := range FullRoots(length) {
		root, err := source.Node(ctx, index)
		if err != nil {
			return nil, err
		}
		roots = append(roots, root)
	}
	return roots, nil
}

// Append adds the next leaf, whose index must be twice the length; else it panics. It calls emit, if not nil, with
// every parent that this completes, from the bottom up, but not with the leaf.
func (r *Roots) Append(leaf Node, emit func(Node)) {
	if leaf.Index != 2*r.length {
		panic(fmt.Sprintf("merkle: internal error: leaf %d appended to a log of %d blocks", leaf.Index, r.length))
	}
	r.length++
	r.nodes = append(r.nodes, leaf)
	// One merge for each trailing zero bit of the new length: for each subtree of which the leaf is the right end.
	for n := r.length; n&1 == 0; n >>= 1 {
		last := len(r.nodes) - 1
		parent := ParentNode(r.nodes[last-1], r.nodes[last])
		r.nodes = append(r.nodes[:last-1], parent)
		if emit != nil {
			emit(parent)
		}
	}
}

// AppendCover adds the blocks that nodes cover, from left to right. It panics if they do not follow the log's.
func (r *Roots) AppendCover(nodes []Node) {
	for _, node := range nodes {
		if FirstBlock(node.Index) != r.length {
			panic(fmt.Sprintf("merkle: internal error: node %d appended to a log of %d blocks", node.Index, r.length))
		}
		depth := Depth(node.Index)
		r.length += 1 << depth
		r.nodes = append(r.nodes, node)
		for n := r.length >> depth; n&1 == 0; n >>= 1 {
			last := len(r.nodes) - 1
			r.nodes = append(r.nodes[:last-1], ParentNode(r.nodes[last-1], r.nodes[last]))
		}
	}
}

// AppendAll is Append for many leaves at once. It works level by level, as package hash hashes several parents side
// by side. It calls emit, if not nil, with all leaves and parents in the order in which a growing log completes them
// (post-order).
func (r *Roots) AppendAll(leaves []Node, emit func(Node)) {
	if len(leaves) == 0 {
		return
	}
	first := r.length
	for i, leaf := range leaves {
		if leaf.Index != 2*(first+uint64(i)) {
			panic(fmt.Sprintf("merkle: internal error: leaf %d appended to a log of %d blocks", leaf.Index, first+uint64(i)))
		}
	}
	r.length += uint64(len(leaves))
	l := &r.level
	l.begin(first, leaves)
	var roots []Node     // new ones, from the right to the left
	var parents [][]Node // of each depth, from 1 on
	for l.len() > 0 {
		if l.offset&1 == 1 {
			l.prepend(r.nodes[len(r.nodes)-1])
			r.nodes = r.nodes[:len(r.nodes)-1]
		}
		if l.len()&1 == 1 {
			roots = append(roots, l.takeLast())
		}
		l.climb()
		if emit != nil {
			parents = append(parents, l.nodes())
		}
	}
	slices.Reverse(roots)
	r.nodes = append(r.nodes, roots...)
	if emit != nil {
		emitAll(first, leaves, parents, emit)
	}
}

// emitAll calls emit with each leaf, and with each parent after the last leaf below it.
func emitAll(first uint64, leaves []Node, parents [][]Node, emit func(Node)) {
	for i, leaf := range leaves {
		emit(leaf)
		for depth, n := 0, first+uint64(i)+1; n&1 == 0; depth, n = depth+1, n>>1 {
			emit(parents[depth][0])
			parents[depth] = parents[depth][1:]
		}
	}
}

// level is neighbouring nodes of one depth, without gaps.
type level struct {
	depth  int
	offset uint64 // of the first one
	hashes []hash.Digest
	sizes  []uint64
}

func (l *level) begin(first uint64, leaves []Node) {
	l.depth, l.offset, l.hashes, l.sizes = 0, first, l.hashes[:0], l.sizes[:0]
	for _, leaf := range leaves {
		l.hashes, l.sizes = append(l.hashes, leaf.Hash), append(l.sizes, leaf.Size)
	}
}

func (l *level) len() int { return len(l.hashes) }

func (l *level) node(i int) Node {
	return Node{Index: Index(l.depth, l.offset+uint64(i)), Size: l.sizes[i], Hash: l.hashes[i]}
}

func (l *level) nodes() []Node {
	nodes := make([]Node, l.len())
	for i := range nodes {
		nodes[i] = l.node(i)
	}
	return nodes
}

func (l *level) prepend(n Node) {
	l.offset--
	l.hashes, l.sizes = slices.Insert(l.hashes, 0, n.Hash), slices.Insert(l.sizes, 0, n.Size)
}

func (l *level) takeFirst() Node {
	n := l.node(0)
	l.offset++
	l.hashes, l.sizes = slices.Delete(l.hashes, 0, 1), slices.Delete(l.sizes, 0, 1)
	return n
}

func (l *level) takeLast() Node {
	last := l.len() - 1
	n := l.node(last)
	l.hashes, l.sizes = l.hashes[:last], l.sizes[:last]
	return n
}

// climb replaces the nodes, whose number is even, with their parents.
func (l *level) climb() {
	half := l.len() / 2
	for i := range half {
		l.sizes[i] = l.sizes[2*i] + l.sizes[2*i+1]
	}
	hash.Parents(l.hashes[:half], l.sizes[:half], l.hashes)
	l.depth, l.offset, l.hashes, l.sizes = l.depth+1, l.offset/2, l.hashes[:half], l.sizes[:half]
}

// Length returns the number of blocks in the log.
func (r *Roots) Length() uint64 { return r.length }

// ByteLength returns the number of bytes in the log.
func (r *Roots) ByteLength() uint64 { return ByteLength(r.nodes) }

// Nodes returns a copy of the full roots, from left to right.
func (r *Roots) Nodes() []Node { return slices.Clone(r.nodes) }

// TreeHash returns the hash that the log's signature covers, see [TreeHash].
func (r *Roots) TreeHash() hash.Digest { return TreeHash(r.nodes) }

// Clone returns an independent copy.
func (r *Roots) Clone() *Roots { return &Roots{length: r.length, nodes: slices.Clone(r.nodes)} }
