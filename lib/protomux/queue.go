package protomux

import (
	"reflect"
	"runtime"

	"hc/lib/compact"
)

// An outgoing message. Of one on a channel, bytes are its type and its body; the channel's number is put before them when
// it is written. A control message (channel 0) has all in bytes.
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

// perMessage is what a message in the queue costs beside its bytes.
const perMessage = 96

// cost is what a message counts in the queue.
func (o *outgoing) cost() int { return perMessage + len(o.bytes) }

// A queue is what waits to be written. Mux.mu guards it.
type queue struct {
	messages []outgoing
	bytes    int // of messages, and of those that the writer has taken and not written
	urgent   int // of bytes: those that were added without waiting while the queue was full
}

// push adds a message without waiting. Over the limit of messages that do not wait the peer is dropped. The caller holds
// mu.
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

// waitForRoom waits until the queue is short enough for one more message, or says why none can be sent. The read loop
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

// take gives the writer all messages that wait, and takes the slice that it is done with. The caller holds writing.
func (m *Mux) take() (draining bool) {
	done := m.writer.taken
	clear(done)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writer.taken = m.queue.messages
	m.queue.messages = done[:0]
	return m.draining
}

// written gives back what written messages have taken of the queue.
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

// readLoopName is how the read loop is called in a stack.
var readLoopName = runtime.FuncForPC(reflect.ValueOf((*Mux).readLoop).Pointer()).Name()

// inReadLoop says whether the read loop of a mux, this one or another, is what calls. It looks at the whole stack, a
// matter of microseconds: for those who would have to wait otherwise. It is asked here and not told by the caller
// since a caller who is wrong would, rarely, stop two peers for ever.
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
