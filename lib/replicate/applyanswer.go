package replicate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hc/lib/hypercore"
	"hc/lib/merkle"
)

// complete checks that an answer has what was asked for, and no more, and numbers its nodes.
func (g *objectsAnswer) complete(m *question) error {
	wrong := func(what string, got int) error {
		return fmt.Errorf("%w: its answer %d has %d %s, but %d blocks and %d nodes were asked for", ErrPeer, g.id, got, what, m.count(), len(m.Nodes))
	}
	if m.leaves != (g.leaves != nil) {
		return fmt.Errorf("%w: its answer %d is about something else", ErrPeer, g.id)
	}
	want := m.Nodes
	switch {
	case m.leaves:
		if uint64(len(g.leaves)) != m.count() {
			return wrong("leaves", len(g.leaves))
		}
		for i := range g.leaves {
			g.leaves[i].Index = 2 * (m.spans[0].First + uint64(i))
		}
	case uint64(len(g.blocks)) > m.count():
		return wrong("blocks", len(g.blocks))
	case m.prove:
		want = append(slices.Clone(want), merkle.Subtrees(m.spans[0].First+uint64(len(g.blocks)), m.end())...)
	}
	if len(g.nodes) != len(want) {
		return wrong("nodes", len(g.nodes))
	}
	for i := range g.nodes {
		g.nodes[i].Index = want[i]
	}
	return nil
}

// applyAnswer verifies an answer and takes it in.
func (f *fetcher) applyAnswer(ctx context.Context, a *asked, g *objectsAnswer) error {
	f.traceAnswer(a.question, g)
	err := f.tooMany(ctx, a.question, g)
	if err == nil && a.question.leaves {
		err = f.d.ApplyLeaves(ctx, a.request.Fork, a.question.spans[0].First, g.leaves, g.nodes)
	} else if err == nil {
		err = f.applyBlocks(ctx, a, g)
	}
	if err != nil {
		f.takeBack(a)
		switch {
		case errors.Is(err, merkle.ErrNodeMissing): // a node it builds on is gone: nobody's fault
			a.question.each(func(block uint64) { delete(f.leaves.known, block) }) // else the same question would be asked for ever
			return nil
		case !verification(err):
			return err
		}
		return f.refuted(a.session, err)
	}
	f.settled(a)
	f.proved(a.session)
	a.session.answeredWell()
	if a.question.leaves {
		return f.lookUp(ctx, a.question, g)
	}
	a.session.gave(a, len(g.blocks))
	f.leaves.earn(uint64(g.wire / checkPart))
	left := uint64(len(g.blocks))
	a.question.each(func(block uint64) {
		if left > 0 {
			left--
			delete(f.leaves.known, block)
			return
		}
		f.again(block)
	})
	return nil
}

// gave adapts the size of questions to what the peer gives. A question that is not answered in full has to be asked again
// in part, and questions after it wait for the nodes it was to bring.
func (s *session) gave(a *asked, blocks int) {
	switch count := int(a.question.count()); {
	case blocks < count:
		s.fits = a.bytes / count * blocks
		s.atOnce = max(s.fits, firstQuestion)
	case s.fits == 0:
		s.atOnce = min(2*s.atOnce, mostQuestion)
	case s.atOnce < mostQuestion:
		s.atOnce = min(s.atOnce+s.atOnce/longerPart, mostQuestion)
	default:
		s.fits = 0
	}
}

// tooMany refuses a block that has more bytes than the tree has room for.
func (f *fetcher) tooMany(ctx context.Context, m *question, g *objectsAnswer) error {
	if len(g.blocks) != 1 {
		return nil
	}
	return f.tooLarge(ctx, m.spans[0].First, len(g.blocks[0]))
}

func (f *fetcher) applyBlocks(ctx context.Context, a *asked, g *objectsAnswer) error {
	for _, block := range g.blocks {
		f.recent = max(uint64(len(block)), f.recent-f.recent/16)
		f.usual = (15*f.usual + uint64(len(block))) / 16
	}
	if err := f.verifyBlocks(ctx, a, g); err != nil {
		return err
	}
	for _, frame := range g.frames {
		if first, count := a.question.neighbours(frame.at); count >= frame.count {
			f.d.KeepFrames(hypercore.Frame{First: first, Count: frame.count, Bytes: frame.data, Raw: frame.raw, Delta: frame.delta, Base: frame.base, Memory: frame.memory})
		}
	}
	return nil
}

func (f *fetcher) verifyBlocks(ctx context.Context, a *asked, g *objectsAnswer) error {
	if a.question.prove {
		return f.d.ApplyBlocks(ctx, a.request.Fork, a.question.spans[0].First, g.blocks, g.hashes, g.nodes, g.memory)
	}
	var err error
	i := 0
	a.question.each(func(block uint64) {
		if err == nil && i < len(g.blocks) {
			err = f.d.ApplyKnown(ctx, block, g.blocks[i], g.hashes[i], g.memory[i])
			i++
		}
	})
	return err
}

func (f *fetcher) traceAnswer(m *question, g *objectsAnswer) {
	trace := f.options.Trace
	switch {
	case trace == nil:
	case g.copies != nil:
		trace(false, tracedNodes(g.copies.Leaves, g.nodes))
	case m.leaves:
		trace(false, tracedNodes(g.leaves, g.nodes))
	default:
		for i, proof := range tracedBlocks(m.spans, len(g.blocks)) {
			proof.Block.Value = g.blocks[i]
			if i == 0 {
				proof.Block.Nodes = g.nodes
			}
			trace(false, proof)
		}
	}
}
