package replicate

import (
	"context"
	"fmt"

	"hc/lib/lent"
	"hc/lib/merkle"
)

// answered takes in an answer: it is applied, or parked until the node it builds on has come.
func (f *fetcher) answered(ctx context.Context, s *session, p *merkle.Proof, memory *lent.Memory) error {
	a := s.answered(p.ID)
	if a == nil && s.wasOwed(p.ID) {
		return nil
	}
	if a == nil {
		f.drop(s, fmt.Errorf("%w: it sent data %d, which was not asked for", ErrPeer, p.ID))
		return f.unpark(ctx)
	}
	if f.options.Trace != nil {
		f.options.Trace(false, p)
	}
	length, _ := f.d.Length()
	err := fits(a.request, p)
	if err == nil {
		err = f.tooLargeFor(ctx, p)
	}
	switch {
	case err != nil:
		f.takeBack(a)
		f.drop(s, err)
	case a.probe:
		if err := f.probed(ctx, s, p); err != nil {
			return err
		}
	case p.Upgrade != nil && p.Upgrade.Start != length: // another peer was faster
	case f.early(ctx, a):
		f.park(parked{proof: p, memory: memory, asked: a})
	default:
		if err := f.apply(ctx, a, p, memory); err != nil {
			return err
		}
	}
	return f.unpark(ctx)
}

func valueSize(p *merkle.Proof) int {
	if p.Block == nil {
		return 0
	}
	return len(p.Block.Value)
}

// fits checks that an answer has the parts that were asked for, and no others.
func fits(r merkle.Request, p *merkle.Proof) error {
	switch {
	case (r.Block != nil) != (p.Block != nil) || r.Block != nil && r.Block.Index != p.Block.Index,
		(r.Hash != nil) != (p.Hash != nil) || r.Hash != nil && r.Hash.Index != p.Hash.Index,
		(r.Upgrade != nil) != (p.Upgrade != nil) || r.Upgrade != nil && (r.Upgrade.Start != p.Upgrade.Start || r.Upgrade.Length != p.Upgrade.Length),
		p.Seek != nil, p.Manifest != nil && !r.Manifest, p.Fork != r.Fork:
		return fmt.Errorf("%w: its answer to request %d is about something else", ErrPeer, r.ID)
	}
	return nil
}

// smallBlock is a size in bytes up to which blocks do no harm, however many are under way.
const smallBlock = 32 << 10

// tooLargeFor refuses a block with more bytes than a tree node above it has, before the block takes up memory.
func (f *fetcher) tooLargeFor(ctx context.Context, p *merkle.Proof) error {
	if p.Block == nil {
		return nil
	}
	return f.tooLarge(ctx, p.Block.Index, len(p.Block.Value))
}

func (f *fetcher) tooLarge(ctx context.Context, block uint64, bytes int) error {
	size := uint64(bytes)
	length, _ := f.d.Length()
	if size <= smallBlock || block >= length {
		return nil
	}
	for n := 2 * block; merkle.RightSpan(n) < 2*length; n = merkle.Parent(n) {
		if node, err := f.d.Peek(ctx, n); err == nil && !node.Hint {
			if size > node.Size {
				return fmt.Errorf("%w: block %d has %d bytes, but the tree has room for %d", merkle.ErrUnverified, block, size, node.Size)
			}
			return nil
		}
	}
	return nil
}

// early reports whether the proof builds on a node that another answer is yet to bring.
func (f *fetcher) early(ctx context.Context, a *asked) bool {
	return (a.request.Block != nil || a.request.Hash != nil) && !f.d.Knows(ctx, a.anchor)
}

func (f *fetcher) apply(ctx context.Context, a *asked, p *merkle.Proof, memory *lent.Memory) error {
	if err := f.d.Apply(ctx, p, memory); err != nil {
		f.takeBack(a)
		if !verification(err) {
			return err
		}
		return f.refuted(a.session, err)
	}
	f.settled(a)
	f.proved(a.session)
	a.session.answeredWell()
	if p.Block != nil {
		delete(f.leaves.known, p.Block.Index)
		f.recent = max(uint64(len(p.Block.Value)), f.recent-f.recent/16)
	}
	if a.checks != nil {
		return f.checked(ctx, a)
	}
	if p.Upgrade == nil {
		return nil
	}
	a.session.broken = 0
	a.session.compared, _ = f.d.Length()
	if most := f.options.maxBytes; most > 0 && f.d.ByteLength() > most {
		f.unwelcome = true
		return fmt.Errorf("%w: its log has %d bytes, the limit here is %d", ErrPeer, f.d.ByteLength(), most)
	}
	for _, s := range f.sessions {
		if !s.opened || s.dropped {
			continue
		}
		if err := f.sayState(s); err != nil {
			return err
		}
		if _, fork := f.d.Length(); s.synced && s.remote.Fork > fork && s.remote.Length > 0 {
			if err := f.probe(s); err != nil {
				return err
			}
		}
	}
	return nil
}
