package replicate

import (
	"context"
	"time"
)

// A long answer is in memory twice, as what the store has and as the frame that it is encrypted in. Two processors make no
// more than a few at a time, but a hundred connections would each hold one that waits to be written. So where many ask, some
// at a time have their turn. Who reads slowly keeps others from theirs only for a moment.
const (
	turnsAtOnce  = 12
	turnPatience = 250 * time.Millisecond
)

// turn waits until a connection may have a long answer made, for a moment only. The answer is sent before done is called.
func (c *serverConn) turn(ctx context.Context, drained func(wait time.Duration)) (done func()) {
	s := c.server
	s.mu.Lock()
	many := len(s.conns) > turnsAtOnce
	s.mu.Unlock()
	if !many {
		return func() {}
	}
	drained(turnPatience) // the answer before it
	patience := time.NewTimer(turnPatience)
	defer patience.Stop()
	select {
	case s.turns <- struct{}{}:
		return func() {
			drained(turnPatience)
			<-s.turns
		}
	case <-patience.C:
	case <-ctx.Done():
	}
	return func() {}
}
