package replicate

import (
	"testing"
	"time"
)

// Where few ask, nobody waits. Where many do, some at a time have their turn, but one who does not end his keeps nobody from
// an answer for ever.
func TestTurns(t *testing.T) {
	s := NewServer(newStore(t), ServerOptions{})
	conn := func() *serverConn {
		c := &serverConn{server: s}
		s.conns[c] = true
		return c
	}
	drained := 0
	drain := func(time.Duration) { drained++ }
	first := conn()
	first.turn(t.Context(), drain)()
	if drained > 0 || len(s.turns) > 0 {
		t.Errorf("the only one drained %d times and has %d turns", drained, len(s.turns))
	}
	for range turnsAtOnce {
		conn()
	}
	var ends []func()
	for range turnsAtOnce {
		ends = append(ends, first.turn(t.Context(), drain))
	}
	if len(s.turns) != turnsAtOnce || drained != turnsAtOnce {
		t.Errorf("%d turns of %d, drained %d times", len(s.turns), turnsAtOnce, drained)
	}
	first.turn(t.Context(), drain)() // after a moment
	if len(s.turns) != turnsAtOnce {
		t.Errorf("%d turns when one has come without", len(s.turns))
	}
	for _, end := range ends {
		end()
	}
	if len(s.turns) != 0 {
		t.Errorf("%d turns when all have ended", len(s.turns))
	}
}
