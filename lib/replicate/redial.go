package replicate

import (
	"context"
	"errors"
	"slices"
	"time"

	"hc/lib/peer"
)

// A peer that a live fetch has lost is tried again while others are there. Where none is left the fetch ends, and says why.

// How long it is waited before that.
const (
	firstRedial = time.Second
	mostRedial  = 30 * time.Second
)

// away is a peer that is to be tried again.
type away struct {
	peer Dialer
	wait time.Duration // how long it is waited for that
	at   time.Time     // until then
}

// goneAway notes a peer that may come back. One that was sent away is not asked to.
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

// redial tries those peers again whose time has come, unless they were found meanwhile.
func (f *fetcher) redial(ctx context.Context, now time.Time) {
	f.away = slices.DeleteFunc(f.away, func(a away) bool {
		if now.Before(a.at) {
			return false
		}
		if !f.takesPart(a.peer) {
			if a.peer.line != nil {
				a.peer.line.renew()
			}
			f.begin(ctx, a.peer).waited = a.wait
		}
		return true
	})
}

func (f *fetcher) takesPart(p Dialer) bool {
	return slices.ContainsFunc(f.sessions, func(s *session) bool { return s.name == p.Name })
}
