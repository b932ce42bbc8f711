package protomux

import (
	"sync/atomic"

	"hc/lib/compact"
)

// A batch has messages of one channel, of at most smallMessage bytes each and maxBatch together. A frame for each would cost
// 20 bytes and the fixed time of encryption; a longer batch would keep the peer waiting.
const (
	smallMessage = 1 << 10
	maxBatch     = 32 << 10
)

// A writer writes queued messages to the connection.
type writer struct {
	conn  Conn
	calls atomic.Uint64 // odd while a call of conn is under way; also read by the watch loop
	batch []byte        // reused
	taken []outgoing    // from the queue; reused
	err   error         // of conn; it stays
}

// write writes the messages that were taken, in order. It calls written for each part of them that it has written, and then
// clears that part.
func (w *writer) write(written func([]outgoing)) error {
	for messages := w.taken; len(messages) > 0; {
		var err error
		n := batchable(messages)
		if n > 1 {
			err = w.writeBatch(messages[:n])
		} else {
			n = 1
			err = w.writeOne(&messages[0])
		}
		if err != nil {
			return err
		}
		written(messages[:n])
		clear(messages[:n])
		messages = messages[n:]
	}
	return nil
}

// batchable returns how many of the first messages go into one batch.
func batchable(messages []outgoing) (n int) {
	channel, size := messages[0].channel, 0
	for i := range messages {
		m := &messages[i]
		size += len(m.bytes)
		if channel == control || m.channel != channel || len(m.bytes) > smallMessage || size > maxBatch {
			return i
		}
	}
	return len(messages)
}

func (w *writer) writeBatch(messages []outgoing) error {
	w.batch = appendBatch(w.batch[:0], messages[0].channel)
	for i := range messages {
		w.batch = compact.AppendBuffer(w.batch, messages[i].bytes)
	}
	return w.message(w.batch)
}

func (w *writer) writeOne(m *outgoing) error {
	if m.channel == control {
		return w.message(m.bytes)
	}
	w.batch = compact.AppendUint(w.batch[:0], m.channel)
	return w.message(w.batch, m.bytes)
}

func (w *writer) message(parts ...[]byte) error {
	return w.call(func() error { return w.conn.WriteMessage(parts...) })
}

func (w *writer) flush() error { return w.call(w.conn.Flush) }

// call calls a method of conn, unless a call has failed before.
func (w *writer) call(do func() error) error {
	if w.err == nil {
		w.calls.Add(1)
		w.err = do()
		w.calls.Add(1)
	}
	return w.err
}
