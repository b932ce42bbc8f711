package replicate

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	"hc/lib/merkle"
	"hc/lib/peer"
)

// A peer that a live fetch has lost is tried again while there are others. If none is left, the fetch ends, and says why.
//
// A peer may end the connection when it is asked for something that it cannot prove, as stock does if blocks were cleared. A
// fetch that is not live dials it again at once, and repeats the requests that were under way one at a time, to find the one
// that the peer cannot answer.

// How long a live fetch waits before it tries again.
const (
	firstRedial = time.Second
	mostRedial  = 30 * time.Second
)

// away is a peer that is to be tried again.
type away struct {
	peer Dialer
	wait time.Duration // before the next try
	at   time.Time     // of the next try
}

// goneAway notes a peer that may come back. A peer that was dropped for misbehaviour is not tried again.
func (f *fetcher) goneAway(s *session, why error) {
	lost := errors.Is(why, ErrLost) || errors.Is(why, peer.ErrUnreachable)
	if !f.options.Live || s.peer.Dial == nil || !lost || verification(why) || errors.Is(why, ErrPeer) {
		return
	}
	wait := max(firstRedial, min(2*s.waited, mostRedial))
	if s.synced {
		wait = firstRedial
	}
	f.away = append(f.away, away{s.peer, wait, time.Now().Add(wait)})
}

// redial tries those peers again whose wait is over, unless they have been found meanwhile.
func (f *fetcher) redial(ctx context.Context, now time.Time) {
	f.away = slices.DeleteFunc(f.away, func(a away) bool {
		if now.Before(a.at) {
			return false
		}
		if !f.takesPart(a.peer) {
			if a.peer.line != nil {
				a.peer.line.renew(nil)
			}
			f.begin(ctx, a.peer).waited = a.wait
		}
		return true
	})
}

// mostAgain is how often a peer is dialled again at once.
const mostAgain = 64

// doubts records what a peer may have ended connections for. It outlives the peer's sessions.
type doubts struct {
	dialled  int               // how often it was dialled again
	suspects map[uint64]bool   // blocks that were under way, with others, when a connection ended
	fatal    map[uint64]uint64 // blocks that were under way alone then, and the node that the proof was to climb to
}

// suspect reports whether a block has to be asked for while nothing else is under way.
func (d *doubts) suspect(block uint64) bool { return d != nil && d.suspects[block] }

// isFatal reports whether a connection ended over a proof of a block that climbs at most as high as this one.
func (d *doubts) isFatal(block, anchor uint64) bool {
	if d == nil {
		return false
	}
	to, ok := d.fatal[block]
	return ok && merkle.Leaves(anchor) >= merkle.Leaves(to)
}

// about returns the first block that an answer is about; ok is false if it is about none.
func (a *asked) about() (block uint64, ok bool) {
	switch {
	case a.request.Block != nil:
		return a.request.Block.Index, true
	case a.request.Hash != nil:
		return merkle.FirstBlock(a.request.Hash.Index), true
	}
	return 0, false
}

// doubt returns the doubts about a session's peer, with the requests that were under way when the session ended.
func (s *session) doubt() *doubts {
	d := s.doubts
	if d == nil {
		d = &doubts{suspects: map[uint64]bool{}, fatal: map[uint64]uint64{}}
	}
	for _, a := range s.requests {
		block, ok := a.about()
		if !ok {
			continue
		}
		if len(s.requests) == 1 {
			d.fatal[block] = a.anchor
			delete(d.suspects, block)
		} else {
			d.suspects[block] = true
		}
	}
	return d
}

// closedByPeer reports whether a session ended because the peer closed the connection, and not because of an error in what it
// sent.
func closedByPeer(err error) bool {
	return err == nil || errors.Is(err, ErrLost) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// dialAgain dials a peer again that was useful before it ended the connection, and reports whether it did.
func (f *fetcher) dialAgain(ctx context.Context, s *session, d *doubts) bool {
	if f.options.Live || !(s.worked || s.synced && len(d.suspects)+len(d.fatal) > 0) || s.adopted || s.objects != nil || s.peer.Dial == nil || d.dialled == mostAgain {
		return false
	}
	d.dialled++
	if s.peer.line != nil {
		s.peer.line.renew(s.line)
	}
	next := f.begin(ctx, s.peer)
	next.doubts, next.lacks, next.worked = d, s.lacks, true
	return true
}

func (f *fetcher) takesPart(p Dialer) bool {
	return slices.ContainsFunc(f.sessions, func(s *session) bool { return s.name == p.Name })
}
