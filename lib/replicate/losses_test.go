package replicate

import (
	"errors"
	"fmt"
	"testing"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
)

func TestReasonOfLosses(t *testing.T) {
	a := fmt.Errorf("a: %w", peer.ErrUnreachable)
	b := fmt.Errorf("b: %w", peer.ErrUnreachable)
	closed := fmt.Errorf("c: %w: the peer closed it", ErrLost)
	forged := fmt.Errorf("d: %w", keys.ErrSignature)
	wrong := fmt.Errorf("e: %w", merkle.ErrUnverified)
	for _, test := range []struct {
		name  string
		lost  []error // one of each peer
		want  []error // all of which the reason wraps
		wrong []error
	}{
		{name: "none", want: []error{ErrLost}},
		{name: "unreachable", lost: []error{a, b}, want: []error{a, b}},
		{name: "the last one that was reached or not", lost: []error{closed, a}, want: []error{a}, wrong: []error{closed}},
		{name: "closed last", lost: []error{a, closed}, want: []error{closed}, wrong: []error{a}},
		{name: "what does not verify first", lost: []error{a, forged, wrong, closed}, want: []error{forged}, wrong: []error{wrong, closed}},
	} {
		var l losses
		for i, err := range test.lost {
			l.add(fmt.Sprint("peer ", i), err)
		}
		got := l.reason()
		for _, err := range test.want {
			if !errors.Is(got, err) {
				t.Errorf("%s: %v, want %v", test.name, got, err)
			}
		}
		for _, err := range test.wrong {
			if errors.Is(got, err) {
				t.Errorf("%s: %v, which has %v", test.name, got, err)
			}
		}
	}
}

// A peer that is lost again counts once, with its last reason.
func TestLossesOfOnePeer(t *testing.T) {
	first, last := errors.New("first"), errors.New("last")
	var l losses
	l.add("a", first)
	l.add("b", errors.New("b"))
	l.add("a", last)
	if len(l.peers) != 2 || len(l.reasons) != 2 || l.reason() != last {
		t.Errorf("%v for %v, want b's reason and then %v", l.reasons, l.peers, last)
	}
}
