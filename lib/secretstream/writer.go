package secretstream

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

const (
	writeBuffer = 128 << 10 // queued bytes that are written without a Flush
	writePiece  = 256 << 10 // bytes of one write, so that progress can be seen
	smallBuffer = headroom + writeBuffer
)

// largeBuffers has the buffers longer than smallBuffer, of all connections.
var largeBuffers sync.Pool

// A frameWriter gathers frames in one buffer, which begins with headroom, and writes them together. A message is copied once,
// into its place in the buffer, and encrypted there; one that comes in a buffer of its own is encrypted and written in place.
// Not for concurrent use, except for written.
type frameWriter struct {
	dst     io.Writer
	buf     []byte
	small   []byte        // the writer's own buffer, while buf is one of largeBuffers
	written atomic.Uint64 // bytes that dst has taken
	err     error         // of dst; it stays
}

func newFrameWriter(dst io.Writer) *frameWriter { return &frameWriter{dst: dst} }

// raw adds a frame that is not encrypted.
func (w *frameWriter) raw(frame []byte) {
	at := w.grow(lengthSize + len(frame))
	putLength(w.buf[at:], len(frame))
	copy(w.buf[at+lengthSize:], frame)
}

// message adds an encrypted frame made of the parts, of n bytes together.
func (w *frameWriter) message(s *sealer, n int, parts [][]byte) error {
	if w.err != nil {
		return w.err
	}
	size := lengthSize + overhead + n
	if waiting := len(w.buf) - headroom; waiting > 0 && waiting+size > writeBuffer {
		if err := w.flush(); err != nil {
			return err
		}
	}
	at := w.grow(size)
	sealed := w.buf[at-headroom:] // a sealer's buffer: its scratch reaches back into the frames before
	var saved [headroom]byte
	copy(saved[:], sealed)
	text := sealed[blockSize:blockSize]
	for _, p := range parts {
		text = append(text, p...)
	}
	s.seal(sealed, tagMessage)
	sealed[scratch] = sealed[0] // move the encrypted tag to its place before the text
	copy(sealed, saved[:])
	putLength(w.buf[at:], overhead+n)
	if len(w.buf)-headroom >= writeBuffer {
		return w.flush()
	}
	return nil
}

// inPlace writes the queued frames, and then one that is made in a sealer's buffer, which is the caller's own.
func (w *frameWriter) inPlace(s *sealer, sealed []byte) error {
	if err := w.flush(); err != nil {
		return err
	}
	s.seal(sealed, tagMessage)
	sealed[scratch] = sealed[0] // move the encrypted tag to its place before the text
	frame := sealed[headroom:]
	putLength(frame, len(frame)-lengthSize)
	return w.write(frame)
}

// grow makes the buffer longer by n bytes and returns where they begin.
func (w *frameWriter) grow(n int) (at int) {
	if len(w.buf) == 0 {
		w.buf = append(w.buf, make([]byte, headroom)...)
	}
	at = len(w.buf)
	if at+n <= cap(w.buf) {
		w.buf = w.buf[:at+n]
		return at
	}
	larger := w.larger(at + n)
	copy(larger, w.buf)
	w.letGo()
	w.buf = larger
	return at
}

// larger returns a buffer of n bytes or more. Long ones are shared: most connections have nothing to write most of the time.
func (w *frameWriter) larger(n int) []byte {
	if n <= smallBuffer {
		return make([]byte, n, max(n, min(2*cap(w.buf), smallBuffer), 4<<10))
	}
	if b, ok := largeBuffers.Get().(*[]byte); ok && cap(*b) >= n {
		return (*b)[:n]
	}
	return make([]byte, n)
}

// letGo gives a long buffer back, and returns to the writer's own.
func (w *frameWriter) letGo() {
	if cap(w.buf) <= smallBuffer {
		w.small = w.buf
		return
	}
	long := w.buf
	largeBuffers.Put(&long)
	w.buf = w.small
}

// flush writes the queued frames.
func (w *frameWriter) flush() error {
	if w.err != nil || len(w.buf) <= headroom {
		return w.err
	}
	if err := w.write(w.buf[headroom:]); err != nil {
		w.buf = nil
		return err
	}
	w.letGo()
	w.buf = w.buf[:0]
	return nil
}

// write writes frames, piece by piece.
func (w *frameWriter) write(rest []byte) error {
	for len(rest) > 0 {
		piece := rest[:min(len(rest), writePiece)]
		n, err := w.dst.Write(piece)
		w.written.Add(uint64(n))
		if err == nil && n < len(piece) {
			err = io.ErrShortWrite
		}
		if err != nil {
			w.err = fmt.Errorf("writing: %w", err)
			return w.err
		}
		rest = rest[len(piece):]
	}
	return nil
}

func putLength(b []byte, n int) { b[0], b[1], b[2] = byte(n), byte(n>>8), byte(n>>16) }
