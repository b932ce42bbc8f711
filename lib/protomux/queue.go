package protomux

import (
	"reflect"
	"runtime"

	"hc/lib/compact"
)

// An outgoing message. On a channel, bytes are its type and its body; the channel's number is put before them when it is
// written. For a control message (channel 0), bytes are all of it.
type outgoing struct {
	channel uint64
	bytes   []byte
	urgent  bool // counted by queue.urgent
}

func newOutgoing(typ uint64, body [][]byte) outgoing {
	n := compact.UintSize(typ)
	for _, p := range body {
		n += len(p)
	}
	b := compact.AppendUint(make([]byte, 0, n), typ)
	for _, p := range body {
		b = append(b, p...)
	}
	return outgoing{bytes: b}
}

// perMessage is how many bytes a message in the queue costs beyond its own.
const perMessage = 96

// cost returns the bytes that a message counts in the queue.
func (o *outgoing) cost() int { return perMessage + len(o.bytes) }

// A queue holds the messages that wait to be written. Mux.mu guards it.
type queue struct {
	messages []outgoing
	bytes    int // of messages, and of those that the writer has taken and not written
	urgent   int // the part of bytes that was added without waiting while the queue was full
}

// push adds a message without waiting. Beyond the limit for that it drops the peer. The caller holds mu.
func (m *Mux) push(out outgoing) {
	if m.queue.bytes > m.opt.QueueLimit {
		if m.queue.urgent > m.opt.LoopLimit {
			m.endLocked(&DropError{Err: ErrBacklog})
			return
		}
		out.urgent = true
		m.queue.urgent += out.cost()
	}
	m.queue.bytes += out.cost()
	m.queue.messages = append(m.queue.messages, out)
	m.wakeWriter()
}

// waitForRoom waits until the queue is short enough for one more message. An error says why none can be sent. The read loop
// does not wait. The caller holds mu.
func (m *Mux) waitForRoom(c *Channel) error {
	for first := true; ; first = false {
		if err := m.closed(); err != nil {
			return err
		}
		if c.closed {
			return ErrClosed
		}
		if m.queue.bytes <= m.opt.QueueLimit || first && inReadLoop() {
			break
		}
		m.room.Wait()
	}
	return nil
}

// take gives the writer all queued messages, and reuses the slice that it is done with. The caller holds writing.
func (m *Mux) take() (draining bool) {
	done := m.writer.taken
	clear(done)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writer.taken = m.queue.messages
	m.queue.messages = done[:0]
	return m.draining
}

// written removes written messages from the queue's counts.
func (m *Mux) written(messages []outgoing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range messages {
		m.queue.bytes -= messages[i].cost()
		if messages[i].urgent {
			m.queue.urgent -= messages[i].cost()
		}
	}
	if m.queue.bytes <= m.opt.QueueLimit {
		m.room.Broadcast()
	}
}

func (m *Mux) wakeWriter() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// readLoopName is the read loop's name in a stack.
var readLoopName = runtime.FuncForPC(reflect.ValueOf((*Mux).readLoop).Pointer()).Name()

// inReadLoop reports whether it is called in the read loop of a mux, this one or another. It looks at the whole stack, which
// takes microseconds, and only when a call would have to wait otherwise. The caller does not say it, since one that is
// wrong would, rarely, stop two peers for ever.
func inReadLoop() bool {
	var pcs [64]uintptr
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		frames := runtime.CallersFrames(pcs[:n])
		for more := n > 0; more; {
			var f runtime.Frame
			f, more = frames.Next()
			if f.Function == readLoopName {
				return true
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}
