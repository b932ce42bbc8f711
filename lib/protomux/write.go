package protomux

import (
	"errors"
	"io"
	"time"
)

// writeLoop writes what is queued, and flushes when the queue is empty, until the connection ends.
func (m *Mux) writeLoop() {
	err := m.writeAll()
	switch {
	case err == nil:
	case errors.Is(err, io.ErrClosedPipe):
		// The peer has hung up. What he said before that may still be on its way to the read loop.
		m.mu.Lock()
		m.endLater(err)
		m.mu.Unlock()
	default:
		m.end(err)
	}
}

func (m *Mux) writeAll() error {
	w := writer{conn: m.conn, calls: &m.calls}
	idle := time.NewTimer(0)
	idle.Stop()
	defer idle.Stop()
	var messages []outgoing
	for {
		var draining bool
		messages, draining = m.take(messages)
		if len(messages) > 0 {
			if err := w.write(messages, m.written); err != nil {
				return err
			}
			continue
		}
		if err := w.flush(); err != nil {
			return err
		}
		if draining {
			return m.finish()
		}
		if m.opt.KeepAlive > 0 {
			idle.Reset(m.opt.KeepAlive)
		}
		select {
		case <-m.done:
			return nil
		case <-m.wake:
		case <-idle.C:
			if err := w.message(); err != nil {
				return err
			}
		}
	}
}

// finish ends our direction when all is sent.
func (m *Mux) finish() error {
	half, ok := m.conn.(interface{ CloseWrite() error })
	if !ok {
		m.end(ErrClosed)
		return nil
	}
	return half.CloseWrite()
}
