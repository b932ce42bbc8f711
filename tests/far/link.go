// Package far has connections with a long way between their ends, for tests that count round trips: in a bubble of
// testing/synctest time stands still while any goroutine is busy, so only round trips take time.
package far

import (
	"io"
	"slices"
	"sync"
	"time"
)

// RoundTrip is how long it takes to send a byte and to get one back.
const RoundTrip = 100 * time.Millisecond

// Connect returns the ends of a new connection, after a round trip on it.
func Connect(roundTrip time.Duration) (ours, theirs *Conn) {
	time.Sleep(roundTrip)
	to, from := newWay(roundTrip/2), newWay(roundTrip/2)
	return &Conn{in: from, out: to}, &Conn{in: to, out: from}
}

// Conn is one end: a peer.Conn.
type Conn struct{ in, out *way }

// Write never waits: there is room for any number of bytes on the way.
func (c *Conn) Write(p []byte) (int, error) { return c.out.write(p) }

func (c *Conn) Read(p []byte) (int, error) { return c.in.read(p) }

func (c *Conn) CloseWrite() error {
	c.out.end()
	return nil
}

func (c *Conn) Close() error {
	c.out.end()
	c.in.leave()
	return nil
}

// way is one direction.
type way struct {
	takes time.Duration

	left chan struct{} // closed when nobody reads any more
	more chan struct{} // holds a token while something may have been written
	once sync.Once     // closes left

	mu     sync.Mutex // guards all below
	pieces []piece
	ended  bool // after the pieces
}

// piece is one write; without bytes it is the end.
type piece struct {
	at    time.Time // when it arrives
	bytes []byte
}

func newWay(takes time.Duration) *way {
	return &way{takes: takes, left: make(chan struct{}), more: make(chan struct{}, 1)}
}

func (w *way) write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return 0, io.ErrClosedPipe
	}
	if len(p) > 0 {
		w.add(slices.Clone(p))
	}
	return len(p), nil
}

func (w *way) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.ended = true
		w.add(nil)
	}
}

// add sends a piece on its way. w.mu is held.
func (w *way) add(bytes []byte) {
	w.pieces = append(w.pieces, piece{time.Now().Add(w.takes), bytes})
	select {
	case w.more <- struct{}{}:
	default:
	}
}

func (w *way) leave() { w.once.Do(func() { close(w.left) }) }

func (w *way) read(p []byte) (int, error) {
	for {
		arrives, sent := w.next()
		var arrival <-chan time.Time
		if sent {
			if wait := time.Until(arrives); wait > 0 {
				arrival = time.After(wait)
			} else {
				return w.take(p)
			}
		}
		select {
		case <-w.left:
			return 0, io.ErrClosedPipe
		case <-w.more:
		case <-arrival:
		}
	}
}

func (w *way) next() (arrives time.Time, sent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pieces) == 0 {
		return arrives, false
	}
	return w.pieces[0].at, true
}

func (w *way) take(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := &w.pieces[0]
	if first.bytes == nil {
		return 0, io.EOF
	}
	n := copy(p, first.bytes)
	if first.bytes = first.bytes[n:]; len(first.bytes) == 0 {
		w.pieces = w.pieces[1:]
	}
	return n, nil
}
