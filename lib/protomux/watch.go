package protomux

import "time"

// watchLoop drops a peer that takes no bytes although some wait, after one to two times Options.Stall.
func (m *Mux) watchLoop() {
	progress := func() (calls, bytes uint64) {
		if w, ok := m.conn.(interface{ Written() uint64 }); ok {
			bytes = w.Written()
		}
		return m.writer.calls.Load(), bytes
	}
	ticker := time.NewTicker(m.opt.Stall)
	defer ticker.Stop()
	for {
		calls, bytes := progress()
		select {
		case <-m.done:
			return
		case <-ticker.C:
		}
		if c, b := progress(); c%2 == 1 && c == calls && b == bytes {
			m.end(&DropError{Err: ErrStalled})
			return
		}
	}
}
