package replicate

import (
	"context"
	"errors"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/objects"
)

// What is dear waits for its turn, for as long as the connection is there; who has had his lets others have theirs.
func TestDearQuestionsTakeTurns(t *testing.T) {
	core := newCore(t, 20)
	snapshot, err := hypercore.OpenSnapshot(t.Context(), core.store, core.key)
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(core.store, ServerOptions{})
	var ends []func()
	for range cap(server.turns) {
		done, err := server.turns.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, done)
	}
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	g := &objectsServer{conn: &serverConn{server: server, ctx: gone}, core: &servedCore{key: core.key}}
	ask := objects.AskLeaves{Count: 20}
	for name, give := range map[string]func() error{
		"leaves": func() error { return g.giveLeaves(snapshot, ask) },
		"copies": func() error {
			return g.giveCopies(snapshot, objects.AskCopies{AskLeaves: ask, Held: []objects.Span{{Count: 1}}})
		},
	} {
		if err := give(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s did not wait: %v", name, err)
		}
	}
	for _, done := range ends {
		done()
	}
	done, err := server.turns.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done()
}
