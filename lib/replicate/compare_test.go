package replicate

import (
	"context"
	"errors"
	"testing"
	"time"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
	"hc/lib/store"
)

// bring pushes what is here without a reservation, as who did not sign it does.
func (c *testCore) bring(to Dialer, patience time.Duration) error {
	ctx, stop := context.WithTimeout(c.t.Context(), waitLimit)
	defer stop()
	return NewServer(c.store, ServerOptions{}).Push(ctx, to, []keys.Key{c.key}, PushOptions{Patience: patience})
}

// A peer with another history of the core has not what it is to have, however long that is and whether it takes pushes or not.
func TestPushComparesHistories(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 10)
	for name, test := range map[string]struct {
		peer *testCore
		want error // of one who does not accept; a mirror is told apart before it has as much
		sure error // of a mirror
	}{
		"as long":             {core.twin(4, 6), store.ErrConflict, store.ErrConflict},
		"another beginning":   {core.twin(0, 10), store.ErrConflict, store.ErrConflict},
		"longer":              {core.twin(9, 20), store.ErrConflict, store.ErrConflict},
		"shorter":             {core.twin(4, 3), ErrNotAccepted, store.ErrConflict},
		"the same":            {core.twin(10, 0), nil, nil},
		"the same, and more":  {core.twin(10, 7), nil, nil},
		"the same, but fewer": {core.twin(8, 0), ErrNotAccepted, nil},
	} {
		t.Run(name, func(t *testing.T) {
			plain := over("plain", test.peer.serving(ServerOptions{}))
			if err := core.bring(plain, 300*time.Millisecond); !errors.Is(err, test.want) || (test.want == nil) != (err == nil) {
				t.Errorf("to one who does not accept: %v, want %v", err, test.want)
			}
			mirror := newMirror(t, ServerOptions{Accept: []keys.Key{core.key}})
			if err := test.peer.bring(mirror.dial(), 0); err != nil {
				t.Fatal(err)
			}
			if err := core.bring(mirror.dial(), 0); !errors.Is(err, test.sure) || (test.sure == nil) != (err == nil) {
				t.Errorf("to a mirror: %v, want %v", err, test.sure)
			}
		})
	}
}

// Who waits for a reader to have all is not told that one has who has another history.
func TestServeUntilComparesHistories(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 10)
	reader := core.twin(4, 6)
	ours, theirs := pair(t)
	synced, served := make(chan struct{}), make(chan error, 1)
	background(t, func(ctx context.Context) {
		served <- NewServer(core.store, ServerOptions{}).ServeUntil(ctx, "reader", theirs, []keys.Key{core.key}, func() { close(synced) })
	})
	background(t, func(ctx context.Context) {
		_ = NewServer(reader.store, ServerOptions{}).Push(ctx, over("server", ours), []keys.Key{core.key}, PushOptions{})
	})
	select {
	case <-synced:
		t.Error("the reader has another history, and is said to have all")
	case err := <-served: // nil: the reader compares, too, and was faster
		if err != nil && !errors.Is(err, store.ErrConflict) {
			t.Error(err)
		}
	case <-time.After(waitLimit):
		t.Fatal("nobody told anything")
	}
}

// Who says that he has all, and does not prove it, has not.
func TestPushWantsProof(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 10)
	claims := func(l *liar, ch *protomux.Channel) error {
		return ch.Send(messages.TypeRange, messages.Range{Length: l.length}.Append(nil))
	}
	refuses := func(_ *liar, ch *protomux.Channel, r merkle.Request) error {
		return ch.Send(messages.TypeNoData, messages.NoData{Request: r.ID, Reason: messages.ReasonNotAvailable}.Append(nil))
	}
	liar := over("liar", core.lying(&liar{capable: true, onOpen: claims, onRequest: refuses}))
	if err := core.bring(liar, 0); !errors.Is(err, ErrPeer) {
		t.Errorf("%v, want %v", err, ErrPeer)
	}
	honest := over("honest", core.twin(10, 0).serving(ServerOptions{}))
	if err := core.bring(honest, 0); err != nil {
		t.Error(err)
	}
}
