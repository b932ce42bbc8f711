package hyperbee

import (
	"bytes"
	"context"
)

// Prefetch announces to the tree's blocks, which must be an Expecter, everything that a walk of a range will read. It
// works level by level, so it takes two waits for each level of the tree, while the walk alone takes one for each
// leaf. It reads the inner nodes and their keys, and announces the leaves and theirs. It leaves it to the walk to
// refuse an invalid tree.
func (t *Tree) Prefetch(ctx context.Context, r Range) error {
	expecter, ok := t.blocks.(Expecter)
	root, some := t.root()
	if !ok || !some {
		return nil
	}
	reached := uint64(0)
	for level := []pointer{root}; len(level) > 0 && reached <= t.version; reached += uint64(len(level)) {
		inner, err := t.expectKeys(ctx, expecter, level)
		if err != nil {
			return err
		}
		if level, err = t.childrenIn(ctx, inner, r); err != nil {
			return err
		}
		seqs := make([]uint64, len(level))
		for i, child := range level {
			seqs[i] = child.seq
		}
		expecter.Expect(seqs)
	}
	return nil
}

// expectKeys reads nodes, and returns those that have children.
func (t *Tree) expectKeys(ctx context.Context, expecter Expecter, level []pointer) (inner []node, err error) {
	for _, at := range level {
		if at.seq >= t.version {
			continue
		}
		b, err := t.read(ctx, at.seq)
		if err != nil {
			return nil, err
		}
		n, err := b.node(at.offset)
		if err != nil || n.check(at, true) != nil {
			continue
		}
		expecter.Expect(n.keys())
		if !n.leaf() {
			inner = append(inner, n)
		}
	}
	return inner, nil
}

// childrenIn returns the children of nodes that may have keys in a range.
func (t *Tree) childrenIn(ctx context.Context, inner []node, r Range) (children []pointer, err error) {
	low, _ := r.low()
	high, _ := r.high()
	for i := range inner {
		n := &inner[i]
		first, last := 0, n.keyCount
		for k, seq := range n.keys() {
			b, err := t.read(ctx, seq)
			if err != nil {
				return nil, err
			}
			if low != nil && bytes.Compare(b.key, low) <= 0 {
				first = k + 1
			}
			if high != nil && bytes.Compare(b.key, high) >= 0 {
				last = k
				break
			}
		}
		if first <= last {
			children = append(children, n.children()[first:last+1]...)
		}
	}
	return children, nil
}
