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

// line is a connection to a peer, on which cores are fetched, each on a channel of its own. Channels that the peer opens
// are rejected: a reader opens those it wants to read, a stock server those it has.
type line struct {
	peer   Dialer
	limits limits
	pool   *lent.Pool   // memory to read into; nil: none
	read   atomic.Int64 // bytes received

	mux           *protomux.Mux // set, with the hash, once channels can be opened
	handshakeHash [64]byte

	// For a shared line.
	ctx     context.Context // ends it
	running *sync.WaitGroup // of all shared lines
	start   sync.Once
	ready   chan struct{} // closed when mux is set, or the line has ended
	ended   chan struct{} // closed when it has ended
	err     error         // why, once it has ended
}

func newLine(p Dialer, limits limits, pool *lent.Pool) *line {
	return &line{peer: p, limits: limits, pool: pool}
}

// lines are the connections to a peer, one after the other, that several fetches share.
type lines struct {
	mu   sync.Mutex // guards last
	last *line
}

// share returns the peers with one connection each, shared by all fetches that use them. A connection is made when it is
// first needed, and lives until ctx ends. wait returns when all have ended.
func share(ctx context.Context, peers []Dialer, limits limits) (shared []Dialer, wait func()) {
	running := new(sync.WaitGroup)
	for _, p := range peers {
		of := &line{peer: p, limits: limits, ctx: ctx, running: running}
		p.line = &lines{last: of.again()}
		shared = append(shared, p)
	}
	return shared, running.Wait
}

// now returns the latest connection, which may have ended.
func (l *lines) now() *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// renew replaces the latest connection if it has ended, or if it is the given useless one.
func (l *lines) renew(useless *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == useless {
		l.last = l.last.again()
		return
	}
	select {
	case <-l.last.ended:
		l.last = l.last.again()
	default:
	}
}

// again returns a shared line to the same peer.
func (l *line) again() *line {
	next := newLine(l.peer, l.limits, nil)
	next.ctx, next.running, next.ready, next.ended = l.ctx, l.running, make(chan struct{}), make(chan struct{})
	return next
}

// use waits until channels can be opened on a shared line.
func (l *line) use(ctx context.Context) error {
	l.start.Do(func() {
		l.running.Go(func() {
			opened := sync.OnceFunc(func() { close(l.ready) })
			l.err = l.run(l.ctx, func(*protomux.Mux, [64]byte) error {
				opened()
				return nil
			})
			close(l.ended)
			opened()
		})
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
	if errors.Is(err, peer.ErrUnreachable) { // a command that ended silently; its exit tells why
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
