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

// MaxMessage is the longest message in bytes: what a frame's three bytes of length can say, less tag and MAC.
const MaxMessage = maxFrame - overhead

// Why a connection cannot go on; also [io.ErrUnexpectedEOF], where the stream ends inside a frame.
var (
	ErrHandshake = errors.New("handshake failed")
	ErrFrame     = errors.New("bad frame") // a length or a MAC is wrong
	ErrSlow      = errors.New("a long frame comes too slowly, and others wait for the memory")
	ErrTooLong   = errors.New("message is too long") // one of ours, over MaxMessage: nothing was sent
)

// Conn is an encrypted connection. One goroutine may call ReadMessage while another one calls WriteMessage, WriteInPlace and
// Flush; all other methods may be called at any time.
type Conn struct {
	rw     io.ReadWriteCloser
	reader *frameReader
	writer *frameWriter
	in     *sealer // nil until the peer's header is here
	out    *sealer
	inKey  [32]byte
	most   int               // bytes of a frame
	cut    atomic.Bool       // see tooSlow
	shaken func(error) error // ends the handshake, and says how it ended

	initiator bool
	hash      [64]byte
	remote    [pointSize]byte
	readErr   error           // of ReadMessage, for ever
	ctx       context.Context // ends with Close, whose cause is why
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
// place: valid, and the caller's to change, until the next call. It returns io.EOF where the stream ends between two
// frames. Every error stays.
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
		frame[0] = frame[scratch] // the encrypted tag, to where a sealer has it
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

// LimitMessages refuses messages of more bytes from now on, with [ErrFrame]. It is for who calls ReadMessage.
func (c *Conn) LimitMessages(bytes int) { c.most = min(bytes, MaxMessage) + overhead }

// tooSlow ends the connection of a peer for whose long frame others wait.
func (c *Conn) tooSlow() {
	c.cut.Store(true)
	c.Close()
}

// Own lets the caller of ReadMessage keep the message that it returned last: that is valid, and not to be changed any more, until the
// memory is released. Called again for the same message it returns one more hold. It is nil, and the message to be copied, where
// that is short, and where too much is held already, or the connection has no pool.
func (c *Conn) Own() *lent.Memory { return c.reader.own() }

// Buffered says whether the next message has come whole: ReadMessage will not wait for it. It is for who calls that.
func (c *Conn) Buffered() bool { return c.reader.buffered() }

// WriteMessage adds one message, made of the parts, to what waits; the parts are free again when it returns. It is on
// its way by the next Flush at the latest, and goes at once where enough waits. More than [MaxMessage] bytes are
// refused with [ErrTooLong]; any other error stays. No parts at all are a message, too: a keep-alive.
func (c *Conn) WriteMessage(parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		if n += len(p); n > MaxMessage {
			return fmt.Errorf("%w: %d bytes and more, the limit is %d", ErrTooLong, n, MaxMessage)
		}
	}
	return c.writer.message(c.out, n, parts)
}

// What [Conn.WriteInPlace] needs of a buffer around the message, in bytes.
const (
	HeadRoom = blockSize // before it
	TailRoom = macSize   // behind it, in the buffer's capacity
)

// WriteInPlace writes one message, buf[at:], behind what waits, without a copy of it: it is encrypted where it stands, and written
// from there. at is [HeadRoom] or more, and buf has room for [TailRoom] bytes more; what stands in both is overwritten, and so is the
// message. The caller leaves buf alone until it returns. Then buf is his again, for the next message: nothing refers to it, and nothing
// of this one is still to be written, whether it failed or not. The errors are those of WriteMessage.
func (c *Conn) WriteInPlace(buf []byte, at int) error {
	if n := len(buf) - at; n > MaxMessage {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLong, n, MaxMessage)
	}
	return c.writer.inPlace(c.out, buf[at-HeadRoom:len(buf)+TailRoom])
}

// Flush writes all messages that wait.
func (c *Conn) Flush() error { return c.writer.flush() }

// Written returns how many bytes the stream below has taken. It grows while a long message is being written, too.
func (c *Conn) Written() uint64 { return c.writer.written.Load() }

// CloseWrite ends our direction, if the stream below can do that (has a CloseWrite); else it closes both. It must not
// be called during a WriteMessage, WriteInPlace or Flush. What was not flushed is lost.
func (c *Conn) CloseWrite() error {
	if half, ok := c.rw.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// Close closes the stream below, once: calls that wait for it return. What was not flushed is lost.
func (c *Conn) Close() error { return c.close() }

// HandshakeHash returns 64 bytes that both sides, and nobody else, know of this connection.
func (c *Conn) HandshakeHash() [64]byte { return c.hash }

// Initiator says whether we were the initiator.
func (c *Conn) Initiator() bool { return c.initiator }

// RemotePublic returns the peer's static public key. Stock makes a new one for each connection unless told otherwise.
func (c *Conn) RemotePublic() [32]byte { return c.remote }
