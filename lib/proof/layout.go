package proof

import "hc/lib/merkle"

// Which nodes a group brings, and where it ends, follows from what the verifier knows before it. Both sides work it out
// here, from numbers alone.

// crown stands for the node above all full roots, whose "hash" is the head. It has no number in the flat tree.
const crown = ^uint64(0)

// A layout determines the frames of one group.
type layout struct {
	length uint64 // of the head, in blocks
	old    uint64 // blocks below it are covered by the roots of the head before, which are known
	split  uint64 // no node sent extends across this block: those to its left make the roots of that length; ≥ length: none
	first  uint64 // the group's first block
	end    uint64 // after the last block that is claimed under this head
	known  uint64 // the node that the group is hashed up to: crown under a new head, else a node known from before
}

// above returns the node above x on the way up to l.known.
func (l *layout) above(x uint64) (uint64, bool) {
	if x == l.known {
		return 0, false
	}
	if l.known == crown && merkle.LastBlock(merkle.Parent(x)) >= l.length {
		return crown, true
	}
	return merkle.Parent(x), true
}

// endOf returns the block after the claimed part of x.
func (l *layout) endOf(x uint64) uint64 {
	if x == crown {
		return l.end
	}
	return min(merkle.LastBlock(x)+1, l.end)
}

// fit returns the block after the largest group of at most count blocks, which has one block at least.
func (l *layout) fit(count uint64) uint64 {
	x := 2 * l.first
	for {
		y, ok := l.above(x)
		if !ok || l.endOf(y)-l.first > count {
			return l.endOf(x)
		}
		x = y
	}
}

// larger reports whether a group may end before block e, and returns the end of the next larger one: 0 if there is
// none.
func (l *layout) larger(e uint64) (next uint64, ok bool) {
	x := 2 * l.first
	for more := true; more && l.endOf(x) <= e; {
		if l.endOf(x) == e {
			ok = true
		}
		if x, more = l.above(x); more {
			next = l.endOf(x)
		} else {
			next = 0
		}
	}
	return next, ok
}

// nodes appends the numbers of the nodes that a group of the blocks up to e (exclusive) brings, from left to right:
// the fewest from which, with the blocks and the known nodes, l.known can be hashed.
func (l *layout) nodes(dst []uint64, e uint64) []uint64 {
	if l.known != crown {
		return l.below(dst, l.known, e)
	}
	for _, root := range merkle.FullRoots(l.length) {
		dst = l.below(dst, root, e)
	}
	return dst
}

func (l *layout) below(dst []uint64, x, e uint64) []uint64 {
	switch l.part(x, e) {
	case partOld, partBlocks:
		return dst
	case partSent:
		return append(dst, x)
	}
	left, right, _ := merkle.Children(x)
	return l.below(l.below(dst, left, e), right, e)
}

// part says where a node comes from in a group of the blocks up to e.
type part int

const (
	partMixed  part = iota // from its children
	partOld                // a root of the head before
	partBlocks             // from its blocks, all in the group
	partSent               // from the stream
)

func (l *layout) part(x, e uint64) part {
	first, end := merkle.FirstBlock(x), merkle.LastBlock(x)+1
	switch {
	case end <= l.old:
		return partOld
	case l.first <= first && end <= e:
		return partBlocks
	case first < l.old, first < l.split && l.split < end:
		return partMixed
	case end <= l.first, e <= first:
		return partSent
	}
	return partMixed
}
