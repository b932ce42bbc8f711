package protomux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
)

// memConn is one end of a connection in memory. Messages wait in a queue of a fixed length, then writers do.
type memConn struct {
	in, out chan []byte
	pending [][]byte
	sent    [][]byte // all that was written

	once       sync.Once
	closed     chan struct{} // of this end
	peerClosed chan struct{}
}

func newMemPair(queue int) (a, b *memConn) {
	ab, ba := make(chan []byte, queue), make(chan []byte, queue)
	a = &memConn{in: ba, out: ab, closed: make(chan struct{})}
	b = &memConn{in: ab, out: ba, closed: make(chan struct{})}
	a.peerClosed, b.peerClosed = b.closed, a.closed
	return a, b
}

func (c *memConn) ReadMessage() ([]byte, error) {
	select {
	case m := <-c.in:
		return m, nil
	default:
	}
	select {
	case m := <-c.in:
		return m, nil
	case <-c.closed:
		return nil, errors.New("read on a closed connection")
	case <-c.peerClosed:
		select {
		case m := <-c.in: // what was sent before
			return m, nil
		default:
			return nil, io.EOF
		}
	}
}

func (c *memConn) WriteMessage(parts ...[]byte) error {
	c.pending = append(c.pending, bytes.Join(parts, nil))
	return nil
}

func (c *memConn) Flush() error {
	for _, m := range c.pending {
		select {
		case c.out <- m:
			c.sent = append(c.sent, m)
		case <-c.closed:
			return errors.New("write on a closed connection")
		case <-c.peerClosed:
			return io.ErrClosedPipe
		}
	}
	c.pending = nil
	return nil
}

func (c *memConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// recorder is a handler that writes down what it is told.
type recorder struct {
	onOpen    func(ch *Channel, handshake []byte) error
	onMessage func(ch *Channel, typ uint64, body []byte) error

	mu     sync.Mutex
	events []string
	seen   *sync.Cond
}

func newRecorder() *recorder {
	r := &recorder{}
	r.seen = sync.NewCond(&r.mu)
	return r
}

func (r *recorder) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, fmt.Sprintf(format, args...))
	r.seen.Broadcast()
}

// wait returns the events when there are at least n.
func (r *recorder) wait(n int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.events) < n {
		r.seen.Wait()
	}
	return slices.Clone(r.events)
}

func (r *recorder) OnOpen(ch *Channel, handshake []byte) error {
	r.add("open %s", handshake)
	if r.onOpen != nil {
		return r.onOpen(ch, handshake)
	}
	return nil
}

func (r *recorder) OnMessage(ch *Channel, typ uint64, body []byte) error {
	r.add("%d %s", typ, body)
	if r.onMessage != nil {
		return r.onMessage(ch, typ, body)
	}
	return nil
}

func (r *recorder) OnClose(ch *Channel, err error) { r.add("close %v", err) }

// run runs a mux until the test ends, and returns how it ended.
func run(t testing.TB, m *Mux) (ended <-chan error) {
	t.Helper()
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		done <- m.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-finished
	})
	return done
}

func wantEvents(t testing.TB, name string, r *recorder, want ...string) {
	t.Helper()
	if got := r.wait(len(want)); !slices.Equal(got, want) {
		t.Errorf("%s: events %q, want %q", name, got, want)
	}
}
