package replicate

import (
	"context"
	"sync"
	"time"
)

// A long answer takes a frame's memory from when it is made until it is written. Two processors make no more than a few at a time,
// but a hundred connections would each hold one that waits to be written. So where many ask, some at a time have their turn.
// Who reads slowly keeps others from theirs only for a moment.
const (
	turnsAtOnce  = 12
	turnPatience = 250 * time.Millisecond
)

// turn waits until a connection may have a long answer made, for a moment only. done is called when that is written.
func (c *serverConn) turn(ctx context.Context) (done func()) {
	s := c.server
	s.mu.Lock()
	many := len(s.conns) > turnsAtOnce
	s.mu.Unlock()
	if !many {
		return func() {}
	}
	patience := time.NewTimer(turnPatience)
	defer patience.Stop()
	select {
	case s.turns <- struct{}{}:
		return s.inTurn()
	case <-patience.C:
	case <-ctx.Done():
	}
	return func() {}
}

// inTurn is for who has a turn, which ends with done, or after a moment.
func (s *Server) inTurn() (done func()) {
	end := sync.OnceFunc(func() { <-s.turns })
	patience := time.AfterFunc(turnPatience, end)
	return func() {
		patience.Stop()
		end()
	}
}
