package replicate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/peer"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
)

// handle takes in one event. An error ends the fetch; a single peer's fault only drops that peer.
func (f *fetcher) handle(ctx context.Context, e event) error {
	s := e.session
	defer e.release()
	if e.answer != nil {
		e.answer.await()
	}
	switch {
	case e.closed && ctx.Err() != nil: // it ended because the fetch did: no loss
		return nil
	case e.closed:
		return f.gone(ctx, s, e.err)
	case s.dropped:
		return nil
	case e.opened:
		s.opened = true
		return f.sayState(s)
	case e.decided:
		f.decide(s, e.objects)
	case e.knows != nil:
		s.spent++
		s.copies = e.knows.Bits&objects.KnowsCopies != 0
		s.deltas = s.copies && e.knows.Bits&objects.KnowsDeltas != 0
		s.maps = s.deltas && e.knows.Bits&objects.KnowsMaps != 0
		s.tellsRuns = e.knows.Bits&objects.KnowsRuns != 0
	case e.answer != nil:
		return f.handleAnswer(ctx, s, e.answer)
	case e.sync != nil:
		s.spent++
		return f.heardState(s, *e.sync)
	case e.have != nil:
		s.told = true
		s.spent += s.blocks.Set(e.have.Start, e.have.Length, !e.have.Drop)
		s.announced(e.have.Start, e.have.Length)
	case e.bitfield != nil:
		s.told = true
		s.spent += s.blocks.SetBits(e.bitfield.Start, e.bitfield.Words)
		s.announced(e.bitfield.Start, 32*uint64(len(e.bitfield.Words)))
	case e.noData != nil:
		return f.refused(ctx, s, *e.noData)
	case e.proof != nil:
		return f.answered(ctx, s, e.proof, e.memory)
	}
	return nil
}

// sayState tells the peer what we have verified, and acknowledges its head. It never waits for a peer that does not
// read; that peer is told later.
func (f *fetcher) sayState(s *session) error {
	if s.adopted {
		return nil
	}
	if s.untold = s.channel.Queued() >= maxBacklog; s.untold {
		return nil
	}
	length, fork := f.d.Length()
	state := messages.Sync{Downloading: true, Fork: fork, Length: length}
	if s.synced && s.remote.Fork == fork {
		state.RemoteLength = s.remote.Length
	}
	return ignoreClosed(s.channel.Send(messages.TypeSync, state.Append(nil)))
}

// ignoreClosed drops the error of a closed channel: the session reports its own end.
func ignoreClosed(err error) error {
	if errors.Is(err, protomux.ErrClosed) {
		return nil
	}
	return err
}

// heardState takes in a peer's state. A fork is not believed until a head of it is proved: at length 0 every peer is
// asked for its own.
func (f *fetcher) heardState(s *session, m messages.Sync) error {
	if !s.synced {
		s.synced = true
		s.count(s.since)
	}
	s.remote, s.declined = m, false
	switch length, fork := f.d.Length(); {
	case length == 0 || m.Length == 0:
	case m.Fork > fork:
		return f.probe(s) // a rewritten log, if the key signed it
	}
	return f.want(s)
}

// want asks the peer which blocks it has of the segments that matter.
func (f *fetcher) want(s *session) error {
	if !f.ordered.known || !s.offers() {
		return nil
	}
	end := min(f.ordered.to, s.remote.Length)
	first := f.ordered.from / segment
	for number := first + s.wanted; number*segment < end && s.wanted < 64; number++ {
		s.wanted++
		m := messages.Want{Start: number * segment, Length: segment}
		if err := s.channel.Send(messages.TypeWant, m.Append(nil)); err != nil {
			return ignoreClosed(err)
		}
	}
	return nil
}

// refused handles a refusal.
func (f *fetcher) refused(ctx context.Context, s *session, m messages.NoData) error {
	a := s.answered(m.Request)
	if a == nil && s.wasOwed(m.Request) {
		return nil
	}
	if a == nil {
		f.drop(s, fmt.Errorf("%w: it refused request %d, which was not made", ErrPeer, m.Request))
		return f.unpark(ctx)
	}
	f.takeBack(a)
	switch {
	case a.probe && s.refutal != nil:
		f.drop(s, s.refutal)
	case a.probe && f.sameFork(s):
		s.declined = true // it refused the comparison, which no peer has to answer
	case a.request.Block != nil:
		s.refuse(a.request.Block.Index)
	case a.checks != nil:
		s.leafless = true // it may have the blocks
	case a.request.Hash != nil:
		s.refuse(merkle.FirstBlock(a.request.Hash.Index))
	default:
		s.declined = true
		s.broken += headBroken
	}
	return f.unpark(ctx)
}

// again puts a block back on the list of blocks to ask for.
func (f *fetcher) again(block uint64) {
	if f.ordered.has(block) {
		f.ordered.putBack(block)
	} else {
		f.scattered.putBack(block)
	}
}

// takeBack has the blocks of a request asked for again, and stops counting on the nodes it was to bring.
func (f *fetcher) takeBack(a *asked) {
	f.settled(a)
	a.each(f.again)
}

// settled removes a request from the accounts.
func (f *fetcher) settled(a *asked) {
	f.underWay.remove(a)
	f.pace.came += a.bytes
	if a.question != nil && a.question.leaves {
		f.leaves.hashing -= int(a.question.count())
	}
	f.leaves.hashing -= len(a.checks)
}

func verification(err error) bool {
	return errors.Is(err, merkle.ErrUnverified) || errors.Is(err, keys.ErrSignature) || errors.Is(err, keys.ErrManifest)
}

// drop ends a session for a reason. Its end arrives as an event; the answers it owes are asked of other peers at once.
func (f *fetcher) drop(s *session, reason error) {
	if s.dropped {
		return
	}
	s.dropped, s.reason = true, reason
	s.stop(reason)
	for _, a := range s.requests {
		f.takeBack(a)
	}
	clear(s.requests)
	f.takeBackQuestions(s)
	s.upgrade, s.probe = nil, nil
}

// gone removes a session, and takes back its requests.
func (f *fetcher) gone(ctx context.Context, s *session, err error) error {
	f.sessions = slices.DeleteFunc(f.sessions, func(other *session) bool { return other == s })
	dropped, doubts := s.dropped, s.doubt()
	f.drop(s, err)
	err = s.reason
	closed := !dropped && closedByPeer(err)
	switch {
	case err == nil:
		err = fmt.Errorf("%s: %w: the peer closed it", s.name, ErrLost)
	case errors.Is(err, peer.ErrUnreachable): // names the peer
	case verification(err), errors.Is(err, ErrNotOffered), errors.Is(err, ErrPeer), errors.Is(err, ErrLost): // says why
		err = fmt.Errorf("%s: %w", s.name, err)
	default:
		err = fmt.Errorf("%s: %w: %w", s.name, ErrLost, err)
	}
	if closed && f.dialAgain(ctx, s, doubts) {
		return f.unpark(ctx)
	}
	if s.doubts != nil && errors.Is(err, peer.ErrUnreachable) { // it was reached before
		err = fmt.Errorf("%s: %w: the peer closed it, and dialling again failed: %w", s.name, ErrLost, err)
	}
	f.losses.add(s.name, err)
	f.goneAway(s, err)
	if f.options.Dropped != nil && (s.synced || s.waited == 0) { // a peer that was already lost is not reported again
		f.options.Dropped(s.name, err)
	}
	return f.unpark(ctx)
}
