package replicate

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/merkle"
	"hc/lib/objects"
)

// The reader's side of copies.go: leaf hashes that he has need not come.

// heldOf returns what the store holds of the core, as it was when the log got that length; nil if there is no use in telling a peer.
func (f *fetcher) heldOf(ctx context.Context, s *session, length uint64) ([]objects.Span, error) {
	if !s.copies || f.forgetful {
		return nil, nil
	}
	if f.heldAt == length {
		return f.held, nil
	}
	ranges, err := f.d.Held(ctx, objects.MaxHeld)
	if err != nil {
		return nil, err
	}
	f.held, f.heldAt = nil, length
	for _, r := range ranges {
		f.held = append(f.held, objects.Span{First: r.First, Count: r.End - r.First})
	}
	return f.held, nil
}

// errForgotten says that a leaf which should be here is not.
var errForgotten = errors.New("a leaf of a block that is held is missing")

// spread puts the leaves that the reader has in between those that came, so that they are as many as were asked for.
func (f *fetcher) spread(ctx context.Context, m *many, c *objects.Copies) ([]merkle.Node, error) {
	if c.Count()+uint64(len(c.Leaves)) != m.count() {
		return nil, fmt.Errorf("%w: its answer %d has %d leaves and %d copies, where %d leaves were asked for", ErrPeer, c.ID, len(c.Leaves), c.Count(), m.count())
	}
	leaves := make([]merkle.Node, 0, m.count())
	told := c.Leaves
	for _, run := range c.Copies {
		apart := run.At - uint64(len(leaves))
		if apart > uint64(len(told)) || !objects.Within(m.held, run.From, run.Count) {
			return nil, fmt.Errorf("%w: its answer %d copies %d blocks from block %d to %d behind block %d", ErrPeer, c.ID, run.Count, run.From, run.At, m.spans[0].First)
		}
		leaves, told = append(leaves, told[:apart]...), told[apart:]
		for block := run.From; block < run.From+run.Count; block++ {
			leaf, known := f.d.Leaf(ctx, block)
			if !known || leaf.Hint {
				return nil, fmt.Errorf("block %d: %w", block, errForgotten)
			}
			leaves = append(leaves, leaf)
		}
	}
	return append(leaves, told...), nil
}

// fill makes an answer about copies one about leaves. done says that there is nothing to go on with.
func (f *fetcher) fill(ctx context.Context, a *asked, g *gift) (done bool) {
	if (a.many.held != nil) != (g.copies != nil) {
		f.takeBack(a)
		f.drop(a.session, fmt.Errorf("%w: its answer %d is about something else", ErrPeer, g.id))
		return true
	}
	if g.copies == nil {
		return false
	}
	leaves, err := f.spread(ctx, a.many, g.copies)
	f.credit -= leafCost * len(g.copies.Leaves)
	switch {
	case errors.Is(err, errForgotten): // nobody's fault; now all are asked for
		f.forgetful = true
		f.takeBack(a)
		return true
	case err != nil:
		f.takeBack(a)
		f.drop(a.session, err)
		return true
	}
	g.leaves, g.nodes = leaves, g.copies.Nodes
	return false
}
