package protomux

import (
	"fmt"

	"hc/lib/compact"
)

// The room in bytes that [Channel.WriteInPlace] needs around the body in a buffer.
const (
	HeadRoom = 96 // before it: for channel and type, at most 18, and for what the connection puts before them
	TailRoom = 16 // after it, in the buffer's capacity: for what the connection puts there
)

// An inPlaceConn is a [Conn] that writes a message, buf[at:], from where it is, after everything written before. It may
// overwrite the message, the 64 bytes before it, and [TailRoom] bytes of the capacity after it. Nothing refers to buf when it
// returns.
type inPlaceConn interface {
	WriteInPlace(buf []byte, at int) error
}

// WriteInPlace sends one message, whose body is buf[at:], without copying it: it is encrypted in place, and written from there.
// The buffer must have [HeadRoom] bytes before the body, and [TailRoom] of capacity after it; body and room are overwritten.
//
// It is for long answers. Unlike [Channel.Send] it queues nothing: it writes everything sent on the connection before, then
// the message, in the caller's goroutine, and so waits for a peer that reads slowly. A handler must not call it.
//
// The buffer is lent: nobody may touch it until WriteInPlace returns. Then it is the caller's again, even on an error:
// nothing refers to it, and nothing of the message is left to be written. The errors are those of Send.
func (c *Channel) WriteInPlace(typ uint64, buf []byte, at int) error {
	return c.writeInPlace(buf, at, func(b []byte, channel uint64) []byte { return compact.AppendUint(compact.AppendUint(b, channel), typ) })
}

// WriteBatchInPlace is WriteInPlace for several messages, which the peer gets in one batch: in buf[at:] each body follows the
// output of [AppendBatched].
func (c *Channel) WriteBatchInPlace(buf []byte, at int) error {
	return c.writeInPlace(buf, at, appendBatch)
}

// AppendBatched appends what goes before a body of so many bytes in a batch.
func AppendBatched(b []byte, typ uint64, bytes int) []byte {
	return compact.AppendUint(compact.AppendUint(b, uint64(compact.UintSize(typ)+bytes)), typ)
}

// writeInPlace writes buf[at:] after what begin appends.
func (c *Channel) writeInPlace(buf []byte, at int, begin func(b []byte, channel uint64) []byte) error {
	if size := len(buf) - at + 2*compact.UintSize(compact.MaxUint); size > MaxMessage {
		return fmt.Errorf("channel %q: %w: %d bytes", c.address.protocol, ErrTooLong, size)
	}
	m := c.mux
	m.writing.Lock()
	defer m.writing.Unlock()
	if err := m.writeQueued(); err != nil {
		return m.writeEnded(err)
	}
	cost := perMessage + len(buf) - at
	number, err := m.beginInPlace(c, cost)
	if err != nil {
		return err
	}
	err = m.writer.inPlace(func(b []byte) []byte { return begin(b, number) }, buf, at)
	m.endInPlace(cost)
	if err != nil {
		return m.writeEnded(err)
	}
	return nil
}

// beginInPlace counts a message that is written at once as if it were queued.
func (m *Mux) beginInPlace(c *Channel, cost int) (number uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.closed(); err != nil {
		return 0, err
	}
	if c.closed {
		return 0, ErrClosed
	}
	m.queue.bytes += cost
	return c.local, nil
}

func (m *Mux) endInPlace(cost int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue.bytes -= cost
	if m.queue.bytes <= m.opt.QueueLimit {
		m.room.Broadcast()
	}
}

// inPlace writes a message that begins with what begin appends, in the buffer of its body.
func (w *writer) inPlace(begin func([]byte) []byte, buf []byte, at int) error {
	w.batch = begin(w.batch[:0])
	at -= len(w.batch)
	copy(buf[at:], w.batch)
	conn, ok := w.conn.(inPlaceConn)
	if !ok {
		if err := w.message(buf[at:]); err != nil {
			return err
		}
		return w.flush()
	}
	return w.call(func() error { return conn.WriteInPlace(buf, at) })
}
