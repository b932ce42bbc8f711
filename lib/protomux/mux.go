package protomux

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"hc/lib/lent"
)

// Conn is the connection below, a secretstream. One goroutine calls ReadMessage, whose result is valid until the next
// call, while others call WriteMessage and Flush, one at a time. Close may be called at any time, and ends calls that wait. A
// Conn may also have CloseWrite() error, which ends one direction; Written() uint64, which shows progress inside a long
// WriteMessage; WriteInPlace(buf []byte, at int) error, see [Channel.WriteInPlace]; and the methods that [Mux.Buffered] and
// [Mux.Own] use.
type Conn interface {
	ReadMessage() ([]byte, error)
	WriteMessage(parts ...[]byte) error
	Flush() error
	Close() error
}

// Options has a useful zero value.
type Options struct {
	KeepAlive  time.Duration // an empty message is sent after this long without another; 0: 5 s, negative: never
	Linger     time.Duration // how long Close may take to send what is queued, and the peer to hang up; 0: 5 s
	Stall      time.Duration // a peer that takes none of the bytes waiting for it for this long is dropped; 0: never
	QueueLimit int           // bytes queued from which Send waits; 0: 1 MiB. One message may exceed it
	LoopLimit  int           // bytes that the read loop may add beyond QueueLimit; 0: 8 MiB. One message may exceed it
	Channels   int           // channels that each side may have open; 0: 4096. More are rejected
}

func (o Options) withDefaults() Options {
	setDefault(&o.KeepAlive, 5*time.Second)
	setDefault(&o.Linger, 5*time.Second)
	setDefault(&o.QueueLimit, 1<<20)
	setDefault(&o.LoopLimit, 8<<20)
	setDefault(&o.Channels, 4096)
	return o
}

func setDefault[T int | time.Duration](value *T, def T) {
	if *value == 0 {
		*value = def
	}
}

// Mux holds the channels of one connection. All methods except OnPair and Run may be called by any goroutine.
type Mux struct {
	conn Conn
	opt  Options
	pair func(protocol string, id, handshake []byte)
	wake chan struct{} // tells the writer that there is something to do; holds one
	done chan struct{} // closed when the connection is over: mu.over

	writing sync.Mutex // held while writing, by the write loop or a WriteInPlace; locked before mu
	writer  writer     // guarded by writing
	more    bool       // others follow the current message in its batch; belongs to the read loop

	mu   sync.Mutex
	room *sync.Cond // the queue is shorter, a channel has closed, or the connection is over

	// All below is guarded by mu.
	table    table       // of channels: table.go
	queue    queue       // of messages to send: queue.go
	draining bool        // Close was called: nothing more is queued, or taken from the peer
	grace    *time.Timer // ends the connection if draining takes too long; may be nil
	over     bool        // err is final, done is closed
	err      error       // why
}

// New returns a mux over conn. [Mux.Run] must follow: it owns conn.
func New(conn Conn, opt Options) *Mux {
	m := &Mux{conn: conn, opt: opt.withDefaults(), wake: make(chan struct{}, 1), done: make(chan struct{})}
	m.writer.conn = conn
	m.room = sync.NewCond(&m.mu)
	m.table = newTable(m.opt.Channels)
	return m
}

// OnPair sets the hook that the read loop calls for an open that answers none of ours. If it [Mux.Open]s that protocol and
// id, the channel is open; else the open is rejected. id and handshake are valid until it returns. Set it before Run.
func (m *Mux) OnPair(pair func(protocol string, id, handshake []byte)) { m.pair = pair }

// Run reads and writes until the connection is over. It returns once its goroutines have ended, conn is closed, and every
// channel that was open has had its OnClose. It returns nil if the peer hung up between two messages, or [Mux.Close] was
// called without a reason; the cause of ctx if that has ended; a [*DropError] if the peer was dropped.
func (m *Mux) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { m.end(context.Cause(ctx)) })
	defer stop()
	var wait sync.WaitGroup
	wait.Go(func() {
		<-m.done
		m.conn.Close()
	})
	wait.Go(m.writeLoop)
	if m.opt.Stall > 0 {
		wait.Go(m.watchLoop)
	}
	m.end(m.readLoop())
	wait.Wait()
	m.closeAll()
	if m.err == io.EOF || m.err == ErrClosed {
		return nil
	}
	return m.err
}

// Buffered reports whether the next message is here already: in the current batch, or according to the Conn's method of that
// name. It is for handlers, which can then wait for it.
func (m *Mux) Buffered() bool {
	b, ok := m.conn.(interface{ Buffered() bool })
	return m.more || ok && b.Buffered()
}

// Own lets a handler keep the body of the current message: it stays valid, and must not be changed, until the memory is
// released. The memory is that of the whole frame. Own returns nil, and the body has to be copied, unless the Conn has a
// method of that name that gives the memory away.
func (m *Mux) Own() *lent.Memory {
	if o, ok := m.conn.(interface{ Own() *lent.Memory }); ok {
		return o.Own()
	}
	return nil
}

// Close ends the connection, without waiting for that. With a reason it ends at once, and Run returns the reason. Without
// one, queued messages are still sent, then the peer has a moment to hang up (see Options.Linger), and what it sends
// meanwhile is thrown away.
func (m *Mux) Close(reason error) {
	if reason != nil {
		m.end(reason)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over || m.draining {
		return
	}
	m.draining = true
	m.room.Broadcast()
	m.wakeWriter()
	m.endLater(ErrClosed)
}

// endLater ends the connection after Options.Linger. The caller holds mu.
func (m *Mux) endLater(err error) {
	if m.grace == nil && !m.over {
		m.grace = time.AfterFunc(m.opt.Linger, func() { m.end(err) })
	}
}

// end ends the connection; only the first reason counts.
func (m *Mux) end(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.endLocked(err)
}

func (m *Mux) endLocked(err error) {
	if m.over {
		return
	}
	if m.draining && err == io.EOF {
		err = ErrClosed
	}
	m.over, m.err = true, err
	if m.grace != nil {
		m.grace.Stop()
	}
	close(m.done)
	m.room.Broadcast()
}

// closed returns an error if nothing can be sent any more. The caller holds mu.
func (m *Mux) closed() error {
	switch {
	case m.over && m.err != ErrClosed:
		return fmt.Errorf("%w: %w", ErrClosed, m.err)
	case m.over || m.draining:
		return ErrClosed
	}
	return nil
}
