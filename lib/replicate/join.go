package replicate

import (
	"context"
	"time"
)

// Peers that are found while a fetch runs join it.

const (
	maxJoined = 8                // peers at once, including those that were named
	lonely    = 10 * time.Second // how long to wait for one to be found while there is none
)

// begin starts a session with a peer. Its end comes as an event.
func (f *fetcher) begin(ctx context.Context, p Dialer) *session {
	s := f.add(ctx, p.Name)
	s.peer = p
	f.running.Go(func() {
		ended := event{session: s, closed: true, err: s.run(p)}
		select {
		case f.events <- ended:
		case <-ctx.Done(): // nobody listens any more
		}
	})
	return s
}

// join lets a peer that was found take part, unless it already does. found is false once nobody looks for peers any more.
func (f *fetcher) join(ctx context.Context, p Dialer, found bool) {
	if !found {
		f.more = nil
		return
	}
	if len(f.sessions) >= maxJoined || f.takesPart(p) {
		return
	}
	f.alone = time.Time{}
	f.begin(ctx, p)
}

// awaitsPeers reports whether to wait for a peer to be found, when there is none and something is missing.
func (f *fetcher) awaitsPeers() bool {
	if f.more == nil || !f.options.Live && f.complete() {
		return false
	}
	if f.alone.IsZero() {
		f.alone = time.Now()
	}
	return f.options.Live || time.Since(f.alone) < f.options.lonely
}

// proved notes that a peer sent something that verified.
func (f *fetcher) proved(s *session) {
	if !s.worked && f.options.Worked != nil {
		f.options.Worked(s.name)
	}
	s.worked = true
}
