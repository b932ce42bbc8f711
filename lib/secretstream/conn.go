package secretstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"hc/lib/lent"
)

// MaxMessage is the longest message in bytes: the most that a frame's three bytes of length can say, less tag and MAC.
const MaxMessage = maxFrame - overhead

// Why a connection cannot continue; [io.ErrUnexpectedEOF] if the stream ends inside a frame.
var (
	ErrHandshake = errors.New("handshake failed")
	ErrFrame     = errors.New("bad frame") // a length or a MAC is wrong
	ErrSlow      = errors.New("a long frame comes too slowly, and others wait for the memory")
	ErrTooLong   = errors.New("message is too long") // one of ours, over MaxMessage: nothing was sent
)

// Conn is an encrypted connection. One goroutine may call ReadMessage while another calls WriteMessage, WriteInPlace and
// Flush; all other methods may be called at any time.
type Conn struct {
	rw     io.ReadWriteCloser
	reader *frameReader
	writer *frameWriter
	in     *sealer // nil until the peer's header is here
	out    *sealer
	inKey  [32]byte
	most   int               // longest frame to accept, in bytes
	cut    atomic.Bool       // see tooSlow
	shaken func(error) error // ends the handshake, and returns its error

	initiator bool
	hash      [64]byte
	remote    [pointSize]byte
	readErr   error           // of ReadMessage; it stays
	ctx       context.Context // ends with Close
	cancel    context.CancelCauseFunc
	close     func() error
}

func newConn(rw io.ReadWriteCloser, pool *lent.Pool) *Conn {
	c := &Conn{rw: rw, reader: newFrameReader(rw, pool), writer: newFrameWriter(rw), most: maxFrame}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.close = sync.OnceValue(func() error {
		c.cancel(net.ErrClosed)
		return rw.Close()
	})
	return c
}

// ReadMessage returns the next message that is not empty (empty ones only keep a connection alive). It is decrypted in
// place: it is valid, and the caller may change it, until the next call. At the end of the stream between two frames the
// error is io.EOF. An error stays.
func (c *Conn) ReadMessage() ([]byte, error) {
	if c.in == nil && c.readErr == nil {
		c.readErr = c.shaken(c.receiveHeader())
	}
	for c.readErr == nil {
		frame, err := c.reader.next(overhead, c.most)
		if err != nil {
			c.readErr = err
			c.reader.share.Release()
			if c.cut.Load() {
				c.readErr = ErrSlow
			}
			break
		}
		frame[0] = frame[scratch] // move the encrypted tag to where a sealer expects it
		if _, err := c.in.open(frame); err != nil {
			c.readErr = fmt.Errorf("%w: %w", ErrFrame, err)
			break
		}
		if message := frame[blockSize : len(frame)-macSize]; len(message) > 0 {
			return message, nil
		}
	}
	return nil, c.readErr
}

// LimitMessages refuses longer messages from now on, with [ErrFrame]. Only the goroutine that calls ReadMessage may call it.
func (c *Conn) LimitMessages(bytes int) { c.most = min(bytes, MaxMessage) + overhead }

// tooSlow ends the connection of a peer whose long frame makes others wait.
func (c *Conn) tooSlow() {
	c.cut.Store(true)
	c.Close()
}

// Own lets the caller of ReadMessage keep the message that it returned last: the message stays valid, and must not be changed,
// until the memory is released. Another call for the same message returns one more hold. Own returns nil, and the message has
// to be copied, if the message is short, too much is held already, or the connection has no pool.
func (c *Conn) Own() *lent.Memory { return c.reader.own() }

// Buffered reports whether the next message has arrived whole: ReadMessage will not wait for it. Only the goroutine that calls
// ReadMessage may call it.
func (c *Conn) Buffered() bool { return c.reader.buffered() }

// WriteMessage queues one message, made of the parts, which may be reused when it returns. The message is sent by the next
// Flush at the latest, or at once if enough bytes are queued. More than [MaxMessage] bytes are refused with [ErrTooLong]; any
// other error stays. No parts at all are a message, too: a keep-alive.
func (c *Conn) WriteMessage(parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		if n += len(p); n > MaxMessage {
			return fmt.Errorf("%w: %d bytes and more, the limit is %d", ErrTooLong, n, MaxMessage)
		}
	}
	return c.writer.message(c.out, n, parts)
}

// The room in bytes that [Conn.WriteInPlace] needs around the message in a buffer.
const (
	HeadRoom = blockSize // before it
	TailRoom = macSize   // after it, in the buffer's capacity
)

// WriteInPlace writes one message, buf[at:], after the queued ones, without copying it: it is encrypted in place, and written
// from there. at must be [HeadRoom] or more, and buf have a capacity for [TailRoom] bytes more; both, and the message, are
// overwritten. The caller must leave buf alone until WriteInPlace returns. Then buf is the caller's again, even on an error:
// nothing refers to it, and nothing of the message is left to be written. The errors are those of WriteMessage.
func (c *Conn) WriteInPlace(buf []byte, at int) error {
	if n := len(buf) - at; n > MaxMessage {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLong, n, MaxMessage)
	}
	return c.writer.inPlace(c.out, buf[at-HeadRoom:len(buf)+TailRoom])
}

// Flush writes all queued messages.
func (c *Conn) Flush() error { return c.writer.flush() }

// Written returns how many bytes the stream below has taken. It grows while a long message is being written, too.
func (c *Conn) Written() uint64 { return c.writer.written.Load() }

// CloseWrite ends our direction if the stream below can do that (has a CloseWrite), else it closes both. It must not be called
// during a WriteMessage, WriteInPlace or Flush. Messages that were not flushed are lost.
func (c *Conn) CloseWrite() error {
	if half, ok := c.rw.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// Close closes the stream below, once. Calls that wait for it return. Messages that were not flushed are lost.
func (c *Conn) Close() error { return c.close() }

// HandshakeHash returns 64 bytes that both sides, and nobody else, know of this connection.
func (c *Conn) HandshakeHash() [64]byte { return c.hash }

// Initiator reports whether we were the initiator.
func (c *Conn) Initiator() bool { return c.initiator }

// RemotePublic returns the peer's static public key. Stock makes a new one for each connection unless told otherwise.
func (c *Conn) RemotePublic() [32]byte { return c.remote }
