// Package protomux carries many channels over one connection, as stock's protomux does.
package protomux

import (
	"context"
	"errors"
	"time"
)

// Conn is the connection below. ReadMessage's slice is valid until the next call. WriteMessage and Flush are called by
// one goroutine, ReadMessage by another; Close by any, and unblocks both.
type Conn interface {
	ReadMessage() ([]byte, error)
	WriteMessage(parts ...[]byte) error
	Flush() error
	Close() error
}

// Errors of this package.
var (
	ErrClosed   = errors.New("closed")
	ErrRejected = errors.New("the peer does not offer this channel")
	ErrBacklog  = errors.New("the peer does not read")
	ErrProtocol = errors.New("protocol violation")
)

// Options has useful zero values.
type Options struct {
	KeepAlive time.Duration // 0: 5 s; negative: none
}

// Handler is told what happens on a channel, by the mux's read loop, one call at a time. An error drops the
// connection.
type Handler interface {
	OnOpen(ch *Channel, remoteHandshake []byte) error
	OnMessage(ch *Channel, typ uint64, body []byte) error // body is valid until it returns
	OnClose(ch *Channel, err error)
}

// Message is one message of a batch.
type Message struct {
	Type uint64
	Body []byte
}

// Mux is one connection's channels.
type Mux struct{}

// New returns a mux over conn.
func New(conn Conn, opt Options) *Mux { return &Mux{} }

// OnPair sets what is called, in the read loop, for an open that nobody asked for. It may call Open for the same
// protocol and id, else the open is rejected. Set it before Run.
func (m *Mux) OnPair(pair func(protocol string, id, handshake []byte)) {}

// Open opens a channel. handshake goes along with it.
func (m *Mux) Open(protocol string, id, handshake []byte, h Handler) (*Channel, error) {
	return &Channel{}, nil
}

// Run reads until the end, and waits for its goroutines.
func (m *Mux) Run(ctx context.Context) error { return nil }

// Close ends the connection. With a nil reason what is queued is sent first.
func (m *Mux) Close(reason error) {}

// Channel is one channel.
type Channel struct{}

// Send queues one message; the body is copied.
func (c *Channel) Send(typ uint64, body ...[]byte) error { return nil }

// SendOwned is Send without the copy: the body must not be changed any more.
func (c *Channel) SendOwned(typ uint64, body ...[]byte) error { return nil }

// SendBatch queues messages that go out together.
func (c *Channel) SendBatch(messages ...Message) error { return nil }

// Close closes the channel.
func (c *Channel) Close() {}

// Queued returns how many bytes wait to be sent on the connection.
func (c *Channel) Queued() int { return 0 }
