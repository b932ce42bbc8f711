package merkle

import (
	"fmt"
	"math/bits"
)

// Subtrees returns the numbers of the fewest whole subtrees that cover the blocks from … to-1, from left to right:
// at most 104. from ≤ to ≤ [MaxLength].
func Subtrees(from, to uint64) []uint64 {
	var out []uint64
	for from < to {
		d := bits.Len64(to-from) - 1
		if from > 0 {
			d = min(d, bits.TrailingZeros64(from))
		}
		out = append(out, Index(d, from>>d))
		from += 1 << d
	}
	return out
}

// RangeSiblings returns which nodes, besides the blocks from … to-1 themselves, are needed to hash these up to nodes
// that a verifier knows. They are in the order in which [ClimbRange] takes them: level by level from the leaves, from
// left to right. known reports whether the verifier knows a node with a certain size; the verifier must know the full
// roots of length in any case. If not from < to ≤ length, it returns none. It costs O(to-from + log length).
func RangeSiblings(from, to, length uint64, known func(index uint64) bool) []uint64 {
	if to > length || length > MaxLength {
		return nil
	}
	knows := func(n uint64) bool { return Contains(Parent(n), 2*length) || known(n) }
	var need []uint64
	level := make([]uint64, 0, to-from)
	for b := from; b < to; b++ {
		level = append(level, 2*b)
	}
	for len(level) > 0 {
		next := level[:0] // a parent is written after its children were read
		for i := 0; i < len(level); {
			n, width := level[i], pairWidth(level[i:])
			i += width
			if knows(n) && (width == 1 || knows(Sibling(n))) {
				continue
			}
			if s := Sibling(n); width == 1 && !knows(s) {
				need = append(need, s)
			}
			next = append(next, Parent(n))
		}
		level = next
	}
	return need
}

// pairWidth returns 2 if the first two numbers are siblings, else 1.
func pairWidth(level []uint64) int {
	if len(level) > 1 && level[1] == Sibling(level[0]) {
		return 2
	}
	return 1
}

// ClimbRange verifies neighbouring blocks together: it hashes their leaves, in order, with the siblings that
// [RangeSiblings] names, up to known nodes, and compares. It returns all nodes that this verifies and that were not
// known: leaves, siblings and computed ones, in no particular order, all certain. known returns nodes with a certain
// size; a hint counts as unknown.
//
// It fails with [ErrUnverified] if anything does not match, including a sibling left over. Memory and time are
// proportional to leaves and siblings.
func ClimbRange(leaves, siblings []Node, known func(index uint64) (Node, bool)) ([]Node, error) {
	for i, n := range leaves {
		if n.Index&1 != 0 || n.Index >= 2*MaxLength || n.Index != leaves[0].Index+2*uint64(i) {
			return nil, fmt.Errorf("%w: leaf %d is out of order", ErrUnverified, n.Index)
		}
	}
	c := &rangeClimber{known: known, siblings: siblings, fresh: make([]Node, 0, 2*(len(leaves)+len(siblings)))}
	level := append([]Node(nil), leaves...)
	for depth := 0; len(level) > 0; depth++ {
		if depth > maxDepth {
			return nil, fmt.Errorf("%w: climbed beyond the roots", ErrUnverified)
		}
		var err error
		if level, err = c.climb(level); err != nil {
			return nil, err
		}
	}
	if len(c.siblings) > 0 {
		return nil, fmt.Errorf("%w: node %d is not needed", ErrUnverified, c.siblings[0].Index)
	}
	return c.fresh, nil
}

type rangeClimber struct {
	known    func(uint64) (Node, bool)
	siblings []Node // not taken yet
	fresh    []Node
}

// climb checks one level against the known nodes and returns the parents of the unknown ones, in the same memory.
func (c *rangeClimber) climb(level []Node) ([]Node, error) {
	next := level[:0]
	for i := 0; i < len(level); {
		n := level[i]
		i++
		nKnown, err := c.check(n)
		if err != nil {
			return nil, err
		}
		var s Node
		sKnown := true
		inRange := i < len(level) && level[i].Index == Sibling(n.Index)
		if inRange {
			s = level[i]
			i++
			if sKnown, err = c.check(s); err != nil {
				return nil, err
			}
		}
		if nKnown && sKnown {
			continue
		}
		if !inRange {
			if s, sKnown, err = c.sibling(n.Index); err != nil {
				return nil, err
			}
		}
		if !nKnown {
			c.fresh = append(c.fresh, n)
		}
		if !sKnown {
			c.fresh = append(c.fresh, s)
		}
		parent, err := parentOf(n, s)
		if err != nil {
			return nil, err
		}
		next = append(next, parent)
	}
	return next, nil
}

// check reports whether n is known, and fails if the known node differs.
func (c *rangeClimber) check(n Node) (bool, error) {
	k, ok := c.known(n.Index)
	if !ok || k.Hint {
		return false, nil
	}
	if !Same(k, n) {
		return false, fmt.Errorf("%w: node %d is not the one that is known", ErrUnverified, n.Index)
	}
	return true, nil
}

// sibling returns the sibling of n: the known one, or else the next in c.siblings.
func (c *rangeClimber) sibling(n uint64) (s Node, known bool, err error) {
	want := Sibling(n)
	if k, ok := c.known(want); ok && !k.Hint {
		return k, true, nil
	}
	if len(c.siblings) == 0 || c.siblings[0].Index != want {
		return Node{}, false, fmt.Errorf("%w: node %d is missing", ErrUnverified, want)
	}
	s, c.siblings = c.siblings[0], c.siblings[1:]
	s.Hint = false // under a computed parent, beside a node hashed from its blocks
	return s, false, nil
}
