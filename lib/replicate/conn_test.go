package replicate

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"hc/lib/merkle"
)

// A connection whose answers end in an error is over also when what the peer says waits for room: nobody makes any then.
func TestDropWhileRoomIsAwaited(t *testing.T) {
	core, dropped := newCore(t, 300), make(chan error, 1)
	server := NewServer(core.store, ServerOptions{Dropped: func(_ string, reason error) { dropped <- reason }})
	ours, theirs := pair(t)
	background(t, func(ctx context.Context) { _ = server.Serve(ctx, "reader", theirs) })
	flooder := &flooder{core: core, request: merkle.Request{Block: &merkle.BlockRequest{Index: 5}}, count: 5 * maxQueued}
	background(t, func(ctx context.Context) { flooder.run(ctx, ours) })

	var c *serverConn
	eventually(t, func() bool {
		server.mu.Lock()
		defer server.mu.Unlock()
		for c = range server.conns {
		}
		return c != nil
	})
	reason := fmt.Errorf("%w: enough", ErrPeer)
	c.tryEnqueue(job{do: func() error {
		eventually(t, func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.room != nil
		})
		return reason
	}})
	select {
	case err := <-dropped:
		if !errors.Is(err, reason) {
			t.Errorf("dropped because of %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the connection has not ended")
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); !so(); <-tick.C {
		if time.Now().After(end) {
			t.Error("it does not come to be")
			return
		}
	}
}
