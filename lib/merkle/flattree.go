package merkle

import "math/bits"

// The flat tree numbers all nodes of a growing binary tree so that no number ever changes: block i is node 2i, and
// the o-th node (from the left) at depth d is (1+2o)·2^d-1. Arguments are node numbers below 2^62; larger ones
// overflow silently. Source: flat-tree; vectors: crypto.json, flatTree.
//
//	depth 3                        7
//	depth 2            3                       11
//	depth 1      1           5           9           13
//	depth 0   0     2     4     6     8     10    12    14
//	block     0     1     2     3     4     5     6     7

// Depth returns how far node n is above the leaves, which have depth 0.
func Depth(n uint64) int { return bits.TrailingZeros64(^n) }

// Index returns the number of the node at depth that has offset nodes to its left.
func Index(depth int, offset uint64) uint64 { return (1+2*offset)<<depth - 1 }

// Parent returns the node above n.
func Parent(n uint64) uint64 {
	d := Depth(n)
	return Index(d+1, n>>1>>d>>1)
}

// Sibling returns the other child of n's parent.
func Sibling(n uint64) uint64 {
	d := Depth(n)
	return Index(d, n>>1>>d^1)
}

// Children returns the two nodes below n; ok is false for a leaf.
func Children(n uint64) (left, right uint64, ok bool) {
	d := Depth(n)
	if d == 0 {
		return 0, 0, false
	}
	half := uint64(1) << (d - 1)
	return n - half, n + half, true
}

// LeftSpan returns the number of the first leaf under n.
func LeftSpan(n uint64) uint64 { return n + 1 - 1<<Depth(n) }

// RightSpan returns the number of the last leaf under n.
func RightSpan(n uint64) uint64 { return n - 1 + 1<<Depth(n) }

// Contains reports whether node x is n or below it, going by the leaves' numbers: LeftSpan(n) ≤ x ≤ RightSpan(n).
func Contains(n, x uint64) bool { return LeftSpan(n) <= x && x <= RightSpan(n) }

// Leaves returns the number of blocks under n.
func Leaves(n uint64) uint64 { return 1 << Depth(n) }

// FirstBlock returns the first block under n.
func FirstBlock(n uint64) uint64 { return LeftSpan(n) / 2 }

// LastBlock returns the last block under n.
func LastBlock(n uint64) uint64 { return RightSpan(n) / 2 }

// FullRoots returns the numbers of the full roots of a log of length blocks, from left to right: the complete
// subtrees into which its leaves fall, one for each bit of length.
func FullRoots(length uint64) []uint64 {
	roots := make([]uint64, 0, bits.OnesCount64(length))
	for first, left := uint64(0), length; left > 0; {
		d := bits.Len64(left) - 1
		roots = append(roots, Index(d, first>>d))
		first += 1 << d
		left -= 1 << d
	}
	return roots
}
