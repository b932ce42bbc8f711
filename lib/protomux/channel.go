package protomux

import (
	"fmt"

	"hc/lib/compact"
)

// A Handler is called by the read loop for what happens on a channel: one call at a time on a connection, in the order in
// which messages came. An error of OnOpen or OnMessage drops the peer. A handler may call every method of its channel. It
// must not wait for other goroutines that send on the same connection, nor for their mutex: they may be waiting for a peer
// that in turn waits to be read.
type Handler interface {
	// OnOpen is called when both sides have opened the channel. remoteHandshake is valid until it returns.
	OnOpen(ch *Channel, remoteHandshake []byte) error
	// OnMessage is called for each message on the channel, of any type. body is valid until it returns.
	OnMessage(ch *Channel, typ uint64, body []byte) error
	// OnClose is called once if the channel ends other than by its own Close. err is nil if the peer closed it,
	// [ErrRejected] if the peer rejected it, io.EOF if the peer hung up, [ErrClosed] after a Close of the Mux, else the
	// reason why the connection ended. OnOpen need not have been called before.
	OnClose(ch *Channel, err error)
}

// Message is one message of [Channel.SendBatch].
type Message struct {
	Type uint64 // its position in the protocol's list of messages
	Body []byte
}

// Channel is one channel of a Mux. All methods may be called by any goroutine.
type Channel struct {
	mux     *Mux
	address address
	handler Handler

	// Guarded by mux.mu.
	local  uint64 // our number
	remote uint64 // the peer's; 0: it has not opened it yet
	closed bool
}

// Open opens a channel for a protocol and an id; handshake is sent along. It does not wait: the handler's OnOpen is called
// when the peer has opened it, too. Messages sent before that are not lost. Only one channel can be open for a protocol
// and an id, else the error is [ErrOpen]. All arguments are copied.
func (m *Mux) Open(protocol string, id, handshake []byte, h Handler) (*Channel, error) {
	c := &Channel{mux: m, address: address{protocol, string(id)}, handler: h}
	if len(protocol) > maxProtocol || len(id) > maxID || len(handshake) > MaxMessage-2*(maxProtocol+maxID) {
		return nil, fmt.Errorf("opening channel %q: %w", protocol, ErrTooLong)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.closed(); err != nil {
		return nil, err
	}
	if err := m.table.add(c); err != nil {
		return nil, fmt.Errorf("opening channel %q: %w", protocol, err)
	}
	m.push(outgoing{bytes: encodeOpen(c.local, c.address, handshake)})
	return c, nil
}

// Protocol returns the protocol that the channel was opened with.
func (c *Channel) Protocol() string { return c.address.protocol }

// ID returns a copy of the id that the channel was opened with.
func (c *Channel) ID() []byte { return []byte(c.address.id) }

// Send queues one message, whose body is a copy of the parts. It waits while too much is queued for the connection; in the
// read loop, that is in a handler, it never waits, see [Options]. It returns [ErrClosed] if the channel or the connection
// is closed, or closes while it waits. A queued message may still be lost with the connection.
func (c *Channel) Send(typ uint64, body ...[]byte) error {
	return c.send([]outgoing{newOutgoing(typ, body)})
}

// SendBatch queues messages with no others between them. They are copied.
func (c *Channel) SendBatch(messages ...Message) error {
	all := make([]outgoing, len(messages))
	for i, m := range messages {
		all[i] = newOutgoing(m.Type, [][]byte{m.Body})
	}
	return c.send(all)
}

func (c *Channel) send(all []outgoing) error {
	for i := range all {
		if size := len(all[i].bytes) + 2*compact.UintSize(compact.MaxUint); size > MaxMessage {
			return fmt.Errorf("channel %q: %w: %d bytes", c.address.protocol, ErrTooLong, size)
		}
	}
	m := c.mux
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.waitForRoom(c); err != nil {
		return err
	}
	for _, out := range all {
		out.channel = c.local
		m.push(out)
	}
	return m.closed() // push may have dropped the peer, see ErrBacklog
}

// Close closes the channel in both directions; messages sent before still go out. No further call of its handler begins,
// not even of OnClose, except for one that is just beginning. It does not wait, and may be called again.
func (c *Channel) Close() {
	m := c.mux
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.closed {
		return
	}
	number := c.local
	m.table.close(c)
	m.room.Broadcast()
	if m.closed() == nil {
		m.push(outgoing{bytes: encodeNumber(controlClose, number)})
	}
}

// Queued returns how many bytes wait to be sent on the connection, over all channels.
func (c *Channel) Queued() int {
	c.mux.mu.Lock()
	defer c.mux.mu.Unlock()
	return c.mux.queue.bytes
}

// closeAll closes all channels when the connection is over.
func (m *Mux) closeAll() {
	m.mu.Lock()
	var open []*Channel
	for _, c := range m.table.local {
		if c != nil {
			c.closed = true
			open = append(open, c)
		}
	}
	m.mu.Unlock()
	for _, c := range open {
		c.handler.OnClose(c, m.err)
	}
}
