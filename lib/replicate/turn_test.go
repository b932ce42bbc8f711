package replicate

import "testing"

// Where few ask, nobody waits. Where many do, some at a time have their turn, but one who does not end his keeps nobody from
// an answer for ever: it ends by itself, and who waited too long has his answer made without.
func TestTurns(t *testing.T) {
	s := NewServer(newStore(t), ServerOptions{})
	conn := func() *serverConn {
		c := &serverConn{server: s}
		s.conns[c] = true
		return c
	}
	first := conn()
	first.turn(t.Context())()
	if len(s.turns) > 0 {
		t.Errorf("the only one has %d turns", len(s.turns))
	}
	for range turnsAtOnce {
		conn()
	}
	for range turnsAtOnce {
		s.turns <- struct{}{} // of those who never end
	}
	first.turn(t.Context())() // after a moment
	if len(s.turns) != turnsAtOnce {
		t.Errorf("%d turns when one has come without", len(s.turns))
	}
	<-s.turns
	done := first.turn(t.Context())
	if len(s.turns) != turnsAtOnce {
		t.Errorf("%d turns of %d", len(s.turns), turnsAtOnce)
	}
	done()
	if len(s.turns) != turnsAtOnce-1 {
		t.Errorf("%d turns when one has ended", len(s.turns))
	}
	slow := first.turn(t.Context())
	s.turns <- struct{}{} // there is room when the slow one has lost his
	slow()
	if len(s.turns) != turnsAtOnce {
		t.Errorf("%d turns when one that was lost is ended, too", len(s.turns))
	}
}
