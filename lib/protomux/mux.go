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
// Conn may also have CloseWrite() error, which ends one direction, Written() uint64, which shows progress inside
// of a long WriteMessage, WriteInPlace(buf []byte, at int) error, see [Channel.WriteInPlace], and what [Mux.Buffered] and [Mux.Own]
// tell of.
type Conn interface {
	ReadMessage() ([]byte, error)
	WriteMessage(parts ...[]byte) error
	Flush() error
	Close() error
}

// Options has a useful zero value.
type Options struct {
	KeepAlive  time.Duration // an empty message is sent when nothing was for so long; 0: 5 s, negative: never
	Linger     time.Duration // how long Close may take to send what waits, and the peer to hang up; 0: 5 s
	Stall      time.Duration // a peer that takes no byte of what waits for so long is dropped; 0: never
	QueueLimit int           // bytes that wait before Send does; 0: 1 MiB. It is exceeded by one message
	LoopLimit  int           // bytes that the read loop may add beyond QueueLimit; 0: 8 MiB. It is exceeded by one message
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

// Mux is the channels of one connection. All methods but OnPair and Run may be called by any goroutine.
type Mux struct {
	conn Conn
	opt  Options
	pair func(protocol string, id, handshake []byte)
	wake chan struct{} // tells the writer that there is something to do; holds one
	done chan struct{} // closed when the connection is over: mu.over

	writing sync.Mutex // held by who writes, the write loop or a WriteInPlace; goes before mu
	writer  writer     // guarded by writing
	more    bool       // the read loop's: others follow the message at hand in its batch

	mu   sync.Mutex
	room *sync.Cond // the queue is shorter, a channel has closed, or the connection is over

	// All below is guarded by mu.
	table    table       // of channels: table.go
	queue    queue       // of messages to send: queue.go
	draining bool        // Close was called: nothing is taken any more, neither to be sent nor from the peer
	grace    *time.Timer // ends the connection when draining takes too long; may be nil
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

// OnPair sets the hook that is called, in the read loop, for an open that nobody here has asked for. If it [Mux.Open]s
// that protocol and id the channel is open, else the open is rejected. id and handshake are valid until it returns. Set
// it before Run.
func (m *Mux) OnPair(pair func(protocol string, id, handshake []byte)) { m.pair = pair }

// Run reads and writes until the connection is over, and returns when all of its goroutines have ended, conn is closed,
// and every channel that was open has had its OnClose. It returns nil if the peer has hung up between two messages, or
// [Mux.Close] was called without a reason; the cause of ctx if that has ended; a [*DropError] if the peer was dropped.
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

// Buffered says whether more of what the peer has sent is here already, in the batch at hand or as far as the Conn tells (by a method
// of that name). It is for handlers, who may then wait for what comes at once.
func (m *Mux) Buffered() bool {
	b, ok := m.conn.(interface{ Buffered() bool })
	return m.more || ok && b.Buffered()
}

// Own lets a handler keep the body of the message at hand: that is valid, and not to be changed any more, until the memory is
// released. The memory is that of all that came in one frame with it. It is nil, and the body to be copied, where the Conn (by a
// method of that name) does not hand that on.
func (m *Mux) Own() *lent.Memory {
	if o, ok := m.conn.(interface{ Own() *lent.Memory }); ok {
		return o.Own()
	}
	return nil
}

// Close ends the connection, and does not wait for it. With a reason that is at once, and Run returns the reason.
// Without one, what waits to be sent still is, then the peer is given a moment to hang up (see Options.Linger), and
// what it sends meanwhile is thrown away.
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

// endLater ends the connection when the time of grace is over. The caller holds mu.
func (m *Mux) endLater(err error) {
	if m.grace == nil && !m.over {
		m.grace = time.AfterFunc(m.opt.Linger, func() { m.end(err) })
	}
}

// end makes the connection be over; only the first reason counts.
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
