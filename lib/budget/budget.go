// Package budget bounds the memory that peers make us hold while something long of theirs, or for them, is under way.
//
// A peer may send a long frame, or read a long answer, as slowly as he likes, as long as nobody waits for the memory. When somebody does, those go
// who are slower than [leastRate].
package budget

import (
	"context"
	"sync"
	"time"
)

const (
	leastRate = 4 << 10          // bytes a second: what a server of which one waits for an answer has to send, too
	window    = 20 * time.Second // over which that is looked at: a disk may be busy, or a radio silent, for some of it
)

// Budget is a number of bytes that peers share. Safe for concurrent use.
type Budget struct {
	limit int

	mu    sync.Mutex // guards all below
	used  int
	queue []*waiter // in the order in which they came
}

// waiter is somebody who waits for so many bytes.
type waiter struct {
	bytes int
	ready chan struct{} // closed when he has them
}

// New returns a budget of so many bytes. Who needs more than that by himself gets it when nobody else has any.
func New(limit int) *Budget { return &Budget{limit: limit} }

// Peer is whose memory it is.
type Peer struct {
	Progress func() uint64 // bytes that have gone to or come from him; it only grows
	Drop     func()        // ends his connection, and with that all waiting
}

// Share is a part of a budget. A nil one is nothing.
type Share struct {
	of    *Budget
	bytes int
	peer  Peer
	looks *time.Timer
	moved uint64 // what Progress was at the last look; guarded by of.mu
	over  bool   // likewise
}

// Take returns a share of so many bytes for a peer, and waits for it until ctx ends. A nil budget gives nil.
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
	s.looks = time.AfterFunc(window, s.look)
	return s, nil
}

// line lets somebody wait behind those who do.
func (b *Budget) line(bytes int) *waiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &waiter{bytes, make(chan struct{})}
	b.queue = append(b.queue, w)
	b.serve()
	return w
}

// giveUp takes somebody out of the line, or takes back what he was given meanwhile.
func (b *Budget) giveUp(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.ready:
		b.used -= w.bytes
	default:
		for i, other := range b.queue {
			if other == w {
				b.queue = append(b.queue[:i], b.queue[i+1:]...)
				break
			}
		}
	}
	b.serve()
}

// serve gives those at the head of the line what there is. b.mu is held.
func (b *Budget) serve() {
	for len(b.queue) > 0 {
		w := b.queue[0]
		if b.used > 0 && b.used+w.bytes > b.limit {
			return
		}
		b.used += w.bytes
		b.queue = b.queue[1:]
		close(w.ready)
	}
}

// Release gives a share back. It may be called again.
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

// Bytes returns how many bytes a share has.
func (s *Share) Bytes() int {
	if s == nil {
		return 0
	}
	return s.bytes
}

// look drops a peer who is too slow for those who wait.
func (s *Share) look() {
	moved := s.peer.Progress()
	s.of.mu.Lock()
	slow := moved-s.moved < leastRate*uint64(window/time.Second)
	drop := slow && !s.over && len(s.of.queue) > 0
	s.moved = moved
	if !s.over && !drop {
		s.looks.Reset(window)
	}
	s.of.mu.Unlock()
	if drop {
		s.peer.Drop()
	}
}
