package replicate

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/merkle"
	"hc/lib/objects"
)

// The reader's side of copies.go: leaf hashes that the reader has need not be sent.

// toldSpans are the blocks of the core that the store had when the log got some length, as peers are told.
type toldSpans struct {
	spans      []objects.Span
	length     uint64
	unreliable bool // not all of them were really there
}

// tells reports whether to tell the peer which blocks of the core are held: it makes use of that, and they are reliable.
func (f *fetcher) tells(s *session) bool { return f.leaves.mayHold && s.copies && !f.told.unreliable }

// heldFor returns the held blocks to tell a peer, as they were when the log got that length; nil: it is told none.
func (f *fetcher) heldFor(ctx context.Context, s *session, length uint64) ([]objects.Span, error) {
	if !f.tells(s) {
		return nil, nil
	}
	if f.told.length == length {
		return f.told.spans, nil
	}
	ranges, err := f.d.Held(ctx, objects.MaxHeld)
	if err != nil {
		return nil, err
	}
	f.told.spans, f.told.length = nil, length
	for _, r := range ranges {
		f.told.spans = append(f.told.spans, objects.Span{First: r.First, Count: r.End - r.First})
	}
	return f.told.spans, nil
}

// errForgotten says that a leaf that should be here is not.
var errForgotten = errors.New("a leaf of a block that is held is missing")

// spread merges the leaves that the reader has with those that came, which makes as many as were asked for.
func (f *fetcher) spread(ctx context.Context, m *question, g *objectsAnswer) error {
	c := g.copies
	if c.Count()+uint64(len(c.Leaves)) != m.count() {
		return fmt.Errorf("%w: its answer %d has %d leaves and %d copies, but %d leaves were asked for", ErrPeer, c.ID, len(c.Leaves), c.Count(), m.count())
	}
	g.nodes = c.Nodes
	g.leaves, g.like = make([]merkle.Node, 0, m.count()), make([]uint64, 0, m.count())
	told := c.Leaves
	tell := func(count uint64) {
		for _, leaf := range told[:count] {
			g.leaves, g.like = append(g.leaves, leaf), append(g.like, m.spans[0].First+uint64(len(g.like)))
		}
		told = told[count:]
	}
	for _, run := range c.Copies {
		apart := run.At - uint64(len(g.leaves))
		if apart > uint64(len(told)) || !objects.Within(m.held, run.From, run.Count) {
			return fmt.Errorf("%w: its answer %d copies %d blocks from block %d to %d after block %d", ErrPeer, c.ID, run.Count, run.From, run.At, m.spans[0].First)
		}
		tell(apart)
		for block := run.From; block < run.From+run.Count; block++ {
			leaf, known := f.d.Leaf(ctx, block)
			if !known || leaf.Hint {
				return fmt.Errorf("block %d: %w", block, errForgotten)
			}
			g.leaves, g.like = append(g.leaves, leaf), append(g.like, block)
		}
	}
	tell(uint64(len(told)))
	return nil
}

// fill turns an answer about copies into one about leaves. done says that the answer needs no further handling.
func (f *fetcher) fill(ctx context.Context, a *asked, g *objectsAnswer) (done bool) {
	if (a.question.held != nil) != (g.copies != nil) {
		f.takeBack(a)
		f.drop(a.session, fmt.Errorf("%w: its answer %d is about something else", ErrPeer, g.id))
		return true
	}
	if g.copies == nil {
		return false
	}
	err := f.spread(ctx, a.question, g)
	f.leaves.credit -= leafCost * len(g.copies.Leaves)
	switch {
	case errors.Is(err, errForgotten): // nobody's fault; from now on all leaves are asked for
		f.told.unreliable = true
		f.takeBack(a)
		return true
	case err != nil:
		f.takeBack(a)
		f.drop(a.session, err)
		return true
	}
	return false
}
