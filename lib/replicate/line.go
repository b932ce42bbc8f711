package replicate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"hc/lib/lent"
	"hc/lib/peer"
	"hc/lib/protomux"
)

// line is a connection to a peer, on which cores are fetched, each on a channel of its own. What the peer opens by itself is
// rejected: a reader opens what it wants to read, a stock server what it has.
type line struct {
	peer   Dialer
	limits limits
	pool   *lent.Pool   // of what is read; nil: none
	read   atomic.Int64 // bytes that came

	mux           *protomux.Mux // set, with the hash, when the channels can be opened
	handshakeHash [64]byte

	// Of a line that is shared.
	ctx   context.Context // ends it
	start sync.Once
	ready chan struct{} // closed when mux is set, or the line has ended
	ended chan struct{} // closed when it has ended
	err   error         // why, once it has ended
}

func newLine(p Dialer, limits limits, pool *lent.Pool) *line {
	return &line{peer: p, limits: limits, pool: pool}
}

// share returns the peers with one connection each for all fetches that are given them. It is made at the first need, and
// lives until ctx ends; then wait returns.
func share(ctx context.Context, peers []Dialer, limits limits) (shared []Dialer, wait func()) {
	for _, p := range peers {
		l := newLine(p, limits, nil)
		l.ctx, l.ready, l.ended = ctx, make(chan struct{}), make(chan struct{})
		p.line = l
		shared = append(shared, p)
	}
	return shared, func() {
		for _, p := range shared {
			p.line.start.Do(func() { close(p.line.ended) }) // never used
			<-p.line.ended
		}
	}
}

// use waits until channels can be opened on a shared line.
func (l *line) use(ctx context.Context) error {
	l.start.Do(func() {
		go func() {
			opened := sync.OnceFunc(func() { close(l.ready) })
			l.err = l.run(l.ctx, func(*protomux.Mux, [64]byte) error {
				opened()
				return nil
			})
			close(l.ended)
			opened()
		}()
	})
	select {
	case <-l.ready:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-l.ended:
		if l.err != nil {
			return l.err
		}
		return fmt.Errorf("%w: the peer closed it", ErrLost)
	default:
		return nil
	}
}

// run makes the connection, calls open, and reads until the end.
func (l *line) run(ctx context.Context, open func(mux *protomux.Mux, handshakeHash [64]byte) error) error {
	conn, err := l.peer.Dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	mux, secret, err := connect(ctx, counted{conn, &l.read}, true, l.limits, l.pool)
	if errors.Is(err, peer.ErrUnreachable) { // a command that ended without a word; how it did is why
		if closeErr := conn.Close(); closeErr != nil {
			return closeErr
		}
	}
	if err != nil {
		return err
	}
	l.mux, l.handshakeHash = mux, secret.HandshakeHash()
	if err := open(mux, l.handshakeHash); err != nil {
		return err
	}
	return mux.Run(ctx)
}

// counted counts what is read from a connection.
type counted struct {
	peer.Conn
	read *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}
