package replicate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/protomux"
)

// handle takes in one event. An error ends the fetch; what only one peer did wrong drops that peer.
func (f *fetcher) handle(ctx context.Context, e event) error {
	s := e.session
	if e.closed {
		return f.gone(ctx, s, e.err)
	}
	s.heard = time.Now()
	switch {
	case e.opened:
		s.opened = true
		return f.sayState(s)
	case e.sync != nil:
		return f.heardState(ctx, s, *e.sync)
	case e.have != nil:
		s.blocks.set(e.have.Start, e.have.Length, !e.have.Drop)
		f.unlack(s)
	case e.bitfield != nil:
		s.blocks.setBits(*e.bitfield)
		f.unlack(s)
	case e.noData != nil:
		return f.refused(ctx, s, *e.noData)
	case e.proof != nil:
		return f.answered(ctx, s, e.proof)
	}
	return nil
}

// unlack forgets refusals of blocks that the peer has announced meanwhile.
func (f *fetcher) unlack(s *session) {
	for block := range s.lacks {
		if s.blocks.has(block) {
			delete(s.lacks, block)
		}
	}
}

// sayState tells the peer what we have verified; it acknowledges its head, too.
func (f *fetcher) sayState(s *session) error {
	length, fork := f.d.Length()
	state := syncMessage{CanUpgrade: true, Downloading: true, Fork: fork, Length: length}
	if s.synced && s.remote.Fork == fork {
		state.RemoteLength = s.remote.Length
	}
	return ignoreClosed(s.channel.Send(typeSync, state.append(nil)))
}

// ignoreClosed leaves it to the session's own end to tell that it is gone.
func ignoreClosed(err error) error {
	if errors.Is(err, protomux.ErrClosed) {
		return nil
	}
	return err
}

func (f *fetcher) heardState(ctx context.Context, s *session, m syncMessage) error {
	s.synced, s.remote = true, m
	length, fork := f.d.Length()
	switch {
	case m.Fork == fork:
		s.outdated = false
	case m.Fork < fork || m.Length == 0:
		s.outdated = m.Fork < fork
	case length == 0:
		if err := f.d.Adopt(m.Fork); err != nil {
			return err
		}
	default:
		return f.probe(s) // a rewritten log, if the key signed it
	}
	return f.want(s)
}

// want asks which blocks of the segments that matter the peer has.
func (f *fetcher) want(s *session) error {
	if !f.ranged {
		return nil
	}
	end := min(f.to, s.remote.Length)
	first := f.from / segment
	for number := first + s.wanted; number*segment < end && s.wanted < 64; number++ {
		s.wanted++
		m := wantMessage{Start: number * segment, Length: segment}
		if err := s.channel.Send(typeWant, m.append(nil)); err != nil {
			return ignoreClosed(err)
		}
	}
	return nil
}

// probe asks for the peer's whole head from nothing, to see whether the key signed a history that differs from ours.
func (f *fetcher) probe(s *session) error {
	s.outdated = true
	if s.probing() {
		return nil
	}
	return s.send(&asked{probe: true, request: merkle.Request{
		Fork:     s.remote.Fork,
		Upgrade:  &merkle.UpgradeRequest{Length: s.remote.Length},
		Manifest: f.d.NeedsManifest() && s.remote.HasManifest,
	}})
}

// refused handles the answer that there is none.
func (f *fetcher) refused(ctx context.Context, s *session, m noDataMessage) error {
	a := s.answered(m.Request)
	if a == nil {
		return f.drop(s, fmt.Errorf("%w: it refused request %d, which was not made", ErrPeer, m.Request))
	}
	f.takeBack(a)
	switch {
	case a.request.Block != nil:
		s.refuse(a.request.Block.Index)
	case a.request.Hash != nil:
		s.refuse(merkle.FirstBlock(a.request.Hash.Index))
	default:
		s.outdated = true
	}
	return f.unpark(ctx)
}

// again puts a block back on the list of what is to be asked for.
func (f *fetcher) again(block uint64) {
	f.retry = append(f.retry, block)
	slices.Sort(f.retry)
}

func (f *fetcher) answered(ctx context.Context, s *session, p *merkle.Proof) error {
	a := s.answered(p.ID)
	if a == nil {
		return f.drop(s, fmt.Errorf("%w: it sent data %d, which was not asked for", ErrPeer, p.ID))
	}
	if f.options.Trace != nil {
		f.options.Trace(false, p)
	}
	if err := fits(a.request, p); err != nil {
		f.takeBack(a)
		return f.drop(s, err)
	}
	if a.probe {
		return f.probed(ctx, s, p)
	}
	if f.early(ctx, a) {
		f.parked = append(f.parked, parked{p, a})
		return f.unpark(ctx)
	}
	return f.apply(ctx, a, p)
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

// early reports whether the proof builds on a node that another answer is still to bring.
func (f *fetcher) early(ctx context.Context, a *asked) bool {
	return (a.request.Block != nil || a.request.Hash != nil) && !f.d.Knows(ctx, a.anchor)
}

func (f *fetcher) apply(ctx context.Context, a *asked, p *merkle.Proof) error {
	if err := f.d.Apply(ctx, p); err != nil {
		f.takeBack(a)
		if !verification(err) {
			return err
		}
		return f.refuted(a.session, err)
	}
	f.expected.remove(a.brings)
	if p.Block != nil {
		f.recent = max(uint64(len(p.Block.Value)), f.recent-f.recent/16)
	}
	if p.Upgrade != nil {
		for _, s := range f.sessions {
			if s.opened {
				if err := f.sayState(s); err != nil {
					return err
				}
			}
		}
	}
	return f.unpark(ctx)
}

// unpark applies the proofs whose anchor has come, and asks again for those whose anchor will not.
func (f *fetcher) unpark(ctx context.Context) error {
	for i := 0; i < len(f.parked); i++ {
		item := f.parked[i]
		known := f.d.Knows(ctx, item.asked.anchor)
		if !known && f.expected[item.asked.anchor] > 0 {
			continue
		}
		f.parked = slices.Delete(f.parked, i, i+1)
		if !known {
			f.takeBack(item.asked)
			i--
			continue
		}
		return f.apply(ctx, item.asked, item.proof) // which comes back here
	}
	return nil
}

// takeBack lets what a request was for be asked for again, and no longer counts on what it was to bring.
func (f *fetcher) takeBack(a *asked) {
	f.expected.remove(a.brings)
	if a.request.Block != nil {
		f.again(a.request.Block.Index)
	}
}

func verification(err error) bool {
	return errors.Is(err, merkle.ErrUnverified) || errors.Is(err, keys.ErrSignature) || errors.Is(err, keys.ErrManifest)
}

// refuted deals with a proof that did not verify: either the peer lies, or the key signed two histories.
func (f *fetcher) refuted(s *session, err error) error {
	length, _ := f.d.Length()
	if length == 0 || s.remote.Length == 0 || s.refutal != nil {
		return f.drop(s, err)
	}
	s.refutal = err
	return f.probe(s)
}

// probed looks at a head that was proved from nothing.
func (f *fetcher) probed(ctx context.Context, s *session, p *merkle.Proof) error {
	head, err := f.d.ConflictsWith(ctx, p)
	length, fork := f.d.Length()
	switch {
	case err != nil:
		return f.drop(s, err)
	case head.Fork < fork || head.Fork == fork && head.Length <= length && s.refutal == nil:
		return nil
	case s.refutal != nil && f.d.SameTree(head):
		return f.drop(s, s.refutal)
	}
	if err := f.d.KeepSeen(ctx, head); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s has core %v at fork %d with %d blocks, here is fork %d with %d, and the key signed both; what is here was kept as it is",
		hypercore.ErrForked, s.name, f.d.Key(), head.Fork, head.Length, fork, length)
}

// drop ends a session for a reason. Its end comes as an event.
func (f *fetcher) drop(s *session, reason error) error {
	s.dropped = true
	s.mux.Close(reason)
	return nil
}

// gone takes a session off, and what it owed back.
func (f *fetcher) gone(ctx context.Context, s *session, err error) error {
	f.sessions = slices.DeleteFunc(f.sessions, func(other *session) bool { return other == s })
	for _, a := range s.requests {
		f.takeBack(a)
	}
	switch {
	case err == nil:
		err = fmt.Errorf("%s: %w: the peer closed it", s.name, ErrLost)
	case errors.Is(err, peer.ErrUnreachable): // names it
	case verification(err), errors.Is(err, ErrNotOffered), errors.Is(err, ErrPeer):
		err = fmt.Errorf("%s: %w", s.name, err)
	default:
		err = fmt.Errorf("%s: %w: %w", s.name, ErrLost, err)
	}
	f.failures = append(f.failures, err)
	if f.options.Dropped != nil {
		f.options.Dropped(s.name, err)
	}
	return f.unpark(ctx)
}
