// Package budget bounds the memory that peers make us hold while a long transfer from or to them is under way.
//
// A peer may send a long frame, or read a long answer, as slowly as it likes, as long as nobody waits for the memory.
// When somebody does, peers that are slower than [leastRate] are dropped.
package budget

import (
	"context"
	"slices"
	"sync"
	"time"
)

const leastRate = 4 << 10 // bytes a second: also the least that a server must send while we wait for its answer

// Window is a time over which to measure the rate: a disk may be busy, or a radio silent, for part of it.
const Window = 20 * time.Second

// Budget is a number of bytes that peers share. It is safe for concurrent use.
type Budget struct {
	limit  int
	window time.Duration
	last   bool // the latest waiter goes first

	mu    sync.Mutex // guards everything below
	used  int
	queue []*waiter // in order of arrival
}

// waiter is a caller that waits for a number of bytes.
type waiter struct {
	bytes int
	ready chan struct{} // closed when it has them
}

// New returns a budget of limit bytes, whose peers' rates are measured over window. A caller that needs more than that by itself
// gets it when nobody else has any.
func New(limit int, window time.Duration) *Budget { return &Budget{limit: limit, window: window} }

// NewLastFirst is like New, for callers that take a share once: the latest goes first. So it waits for a few others only,
// however many there are that would hold on to their share.
func NewLastFirst(limit int, window time.Duration) *Budget {
	return &Budget{limit: limit, window: window, last: true}
}

// Peer is the peer that causes the use of memory.
type Peer struct {
	Progress func() uint64 // bytes sent to or received from it; it only grows
	Drop     func()        // ends its connection, and with that all waiting
}

// Share is a part of a budget. A nil Share is nothing.
type Share struct {
	of    *Budget
	bytes int
	peer  Peer
	looks *time.Timer
	moved uint64 // result of Progress at the last look; guarded by of.mu
	over  bool   // likewise
}

// Take waits for a share of that many bytes for a peer, and returns it; it gives up when ctx ends. A nil budget gives
// nil.
func (b *Budget) Take(ctx context.Context, bytes int, peer Peer) (*Share, error) {
	if b == nil {
		return nil, nil
	}
	w := b.line(bytes)
	select {
	case <-w.ready:
	case <-ctx.Done():
		b.giveUp(w)
		return nil, context.Cause(ctx)
	}
	s := &Share{of: b, bytes: bytes, peer: peer, moved: peer.Progress()}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.looks = time.AfterFunc(b.window, s.look)
	return s, nil
}

// line puts a caller at the end of the queue.
func (b *Budget) line(bytes int) *waiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &waiter{bytes, make(chan struct{})}
	b.queue = append(b.queue, w)
	b.serve()
	return w
}

// giveUp removes a waiter from the queue, or takes back the bytes that it got meanwhile.
func (b *Budget) giveUp(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.ready:
		b.used -= w.bytes
	default:
		b.queue = slices.DeleteFunc(b.queue, func(other *waiter) bool { return other == w })
	}
	b.serve()
}

// serve gives the waiters, in turn, the available bytes. b.mu is held.
func (b *Budget) serve() {
	for len(b.queue) > 0 {
		next := 0
		if b.last {
			next = len(b.queue) - 1
		}
		w := b.queue[next]
		if b.used > 0 && b.used+w.bytes > b.limit {
			return
		}
		b.used += w.bytes
		b.queue = slices.Delete(b.queue, next, next+1)
		close(w.ready)
	}
}

// Release gives a share back. It may be called repeatedly.
func (s *Share) Release() {
	if s == nil {
		return
	}
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.over {
		return
	}
	s.over = true
	s.looks.Stop()
	s.of.used -= s.bytes
	s.of.serve()
}

// Bytes returns the number of bytes in a share.
func (s *Share) Bytes() int {
	if s == nil {
		return 0
	}
	return s.bytes
}

// look drops a peer that is too slow while others wait.
func (s *Share) look() {
	moved := s.peer.Progress()
	s.of.mu.Lock()
	slow := moved-s.moved < uint64(leastRate*s.of.window/time.Second)
	drop := slow && !s.over && len(s.of.queue) > 0
	s.moved = moved
	if !s.over && !drop {
		s.looks.Reset(s.of.window)
	}
	s.of.mu.Unlock()
	if drop {
		s.peer.Drop()
	}
}
