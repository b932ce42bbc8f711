package replicate

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
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
		eventually(t, c.full)
		return reason
	}})
	select {
	case err := <-dropped:
		if !errors.Is(err, reason) {
			t.Errorf("dropped because of %v", err)
		}
	case <-time.After(waitLimit):
		t.Error("the connection has not ended")
	}
}

// That a peer's answers are not read, as it has asked for more than may wait, is no silence of its.
func TestHeldIsNotSilent(t *testing.T) {
	c := &serverConn{ctx: t.Context(), work: make(chan struct{}, 1)}
	s := &session{read: new(atomic.Int64), held: c.full}
	s.synced, s.requests = true, map[uint64]*asked{1: {}}
	began := time.Now()
	s.count(began)
	for range maxQueued {
		if room := c.tryEnqueue(job{}); room != nil {
			t.Fatal("there is no room for what may wait")
		}
	}
	late := began.Add(2 * defaultStall)
	if err := s.misbehaves(late, defaultStall); !errors.Is(err, ErrLost) {
		t.Errorf("silent, with all read: %v", err)
	}
	waits := make(chan error)
	go func() { waits <- c.enqueue(job{}) }()
	eventually(t, c.full)
	if err := s.misbehaves(late, defaultStall); err != nil {
		t.Errorf("with what is not read: %v", err)
	}
	c.next()
	if err := <-waits; err != nil || c.full() {
		t.Errorf("when there is room: %v", err)
	}
	if err := s.misbehaves(late.Add(2*defaultStall), defaultStall); !errors.Is(err, ErrLost) {
		t.Errorf("silent after that: %v", err)
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(waitLimit); !so(); <-tick.C {
		if time.Now().After(end) {
			t.Error("it does not come to be")
			return
		}
	}
}
