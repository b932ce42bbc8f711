package replicate

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"hc/lib/keys"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
)

// Peers who shake hands and say nothing, as many as there are places, keep nobody from reading; who reads is not sent away for others.
func TestSilentPeersGiveWay(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 5)
	const most = 4
	dropped := make(chan error, 100)
	connect := core.server(ServerOptions{Peers: most, Dropped: func(_ string, reason error) { dropped <- reason }})
	readers := []*asking{ask(t, connect(), core.key).open(), ask(t, connect(), core.key).open()}
	for _, reader := range readers {
		reader.await(typeOpened)
	}
	for range 2 * most {
		ask(t, connect(), core.key)
	}
	got, err := read(t, nil, core.key, proof.Claim{}, FetchOptions{}, connect())
	if err != nil || !bytes.Equal(got, core.bytes()) {
		t.Errorf("%q, %v", got, err)
	}
	for range 2*most - (most - len(readers)) + 1 {
		if err := <-dropped; !errors.Is(err, ErrPeer) {
			t.Errorf("dropped: %v", err)
		}
	}
	for i, reader := range readers {
		select {
		case err := <-reader.ended:
			t.Errorf("reader %d was sent away: %v", i, err)
		default:
		}
	}
}

// Whoever opened nothing goes when his time is up: soon where most places are taken, later where they are not. One that had a core open
// has that time from when he closed it.
func TestIdlePlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(4)
		enter := func() (*place, context.Context) {
			ctx, drop := context.WithCancelCause(t.Context())
			place, err := p.enter(ctx, drop)
			if err != nil {
				t.Fatal(err)
			}
			return place, ctx
		}
		gone := func(ctx context.Context, after time.Duration, want bool) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := ctx.Err() != nil; got != want {
				t.Errorf("gone: %v, want %v: %v", got, want, context.Cause(ctx))
			}
		}
		_, alone := enter()
		gone(alone, idleAlone-time.Second, false)
		gone(alone, time.Second, true)

		useful, reads := enter()
		useful.opened()
		_, second := enter()
		gone(second, time.Second, false)
		_, third := enter()
		gone(second, idleCrowded-2*time.Second, false)
		gone(second, time.Second, true)
		gone(third, 0, false) // there is room again
		gone(third, idleAlone-idleCrowded+time.Second, true)
		gone(reads, time.Hour, false)
		useful.closed()
		gone(reads, idleAlone-time.Second, false)
		gone(reads, time.Second, true)
	})
}

// Who comes when all places are of use waits until one is not.
func TestWaitsForAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(1)
		ctx, drop := context.WithCancelCause(t.Context())
		first, err := p.enter(ctx, drop)
		if err != nil {
			t.Fatal(err)
		}
		first.opened()
		entered := make(chan *place, 1)
		go func() {
			second, err := p.enter(t.Context(), func(error) {})
			if err != nil {
				t.Error(err)
			}
			entered <- second
		}()
		synctest.Wait()
		if ctx.Err() != nil || len(entered) > 0 {
			t.Error("a place that is of use was given away")
		}
		first.closed()
		(<-entered).leave()
		first.leave()
		if ctx.Err() == nil || len(p.taken) != 0 {
			t.Errorf("%d places are taken", len(p.taken))
		}
		giveUp, stop := context.WithCancel(t.Context())
		last, _ := p.enter(t.Context(), func(error) {})
		last.opened()
		stop()
		if _, err := p.enter(giveUp, func(error) {}); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want %v", err, context.Canceled)
		}
		last.leave()
	})
}

// A stranger sends nothing long: only who knows the key of a core may.
func TestStrangersSendShortMessages(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 5)
	for _, opens := range []bool{true, false} {
		a := ask(t, core.serving(ServerOptions{}), core.key)
		if opens {
			a.open().await(typeOpened)
		}
		var id keys.Key // which nobody has
		for _, size := range []int{strangerMessage - 200, strangerMessage + 1} {
			if _, err := a.mux.Open(messages.Protocol, id[:], make([]byte, size), a); err != nil {
				t.Fatal(err)
			}
			why := string(a.await(typeClosed))
			if rejected := why == protomux.ErrRejected.Error(); rejected != (opens || size < strangerMessage) {
				t.Errorf("knows a key: %v: a message of %d bytes: %s", opens, size, why)
			}
		}
	}
}
