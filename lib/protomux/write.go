package protomux

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// writeLoop writes queued messages, and flushes when the queue is empty, until the connection ends.
func (m *Mux) writeLoop() {
	if err := m.writeAll(); err != nil {
		_ = m.writeEnded(err)
	}
}

// writeEnded ends the connection after a failed write, and returns an [ErrClosed] that says why.
func (m *Mux) writeEnded(err error) error {
	if errors.Is(err, io.ErrClosedPipe) {
		// The peer has hung up. Messages that it sent before may still be on their way to the read loop.
		m.mu.Lock()
		m.endLater(err)
		m.mu.Unlock()
	} else {
		m.end(err)
	}
	return fmt.Errorf("%w: %w", ErrClosed, err)
}

func (m *Mux) writeAll() error {
	idle := time.NewTimer(0)
	idle.Stop()
	defer idle.Stop()
	for {
		wrote, draining, err := m.writeSome()
		if err != nil {
			return err
		}
		if wrote {
			continue
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
			if err := m.keepAlive(); err != nil {
				return err
			}
		}
	}
}

// writeSome writes queued messages, or flushes if there are none.
func (m *Mux) writeSome() (wrote, draining bool, err error) {
	m.writing.Lock()
	defer m.writing.Unlock()
	draining = m.take()
	if len(m.writer.taken) == 0 {
		return false, draining, m.writer.flush()
	}
	return true, draining, m.writer.write(m.written)
}

// writeQueued writes queued messages. The caller holds writing.
func (m *Mux) writeQueued() error {
	m.take()
	return m.writer.write(m.written)
}

func (m *Mux) keepAlive() error {
	m.writing.Lock()
	defer m.writing.Unlock()
	return m.writer.message()
}

// finish ends our direction once everything is sent.
func (m *Mux) finish() error {
	m.writing.Lock()
	defer m.writing.Unlock()
	half, ok := m.conn.(interface{ CloseWrite() error })
	if !ok {
		m.end(ErrClosed)
		return nil
	}
	return half.CloseWrite()
}
