package secretstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"hc/lib/budget"
	"hc/lib/lent"
)

const (
	lengthSize = 3         // bytes of a frame's length
	maxFrame   = 1<<24 - 1 // bytes of a frame after its length
	overhead   = 1 + macSize

	// scratch is how many bytes before a message's tag a sealer uses. In a buffer of frames they belong to another frame: when
	// reading, one that is no longer needed; when writing, one whose bytes are saved and restored.
	scratch  = blockSize - 1
	headroom = scratch - lengthSize

	readBuffer  = 64 << 10    // bytes, to begin with
	aheadBuffer = 512 << 10   // bytes to which it grows while each read fills it, whatever the frames
	keepBuffer  = aheadBuffer // bytes; a larger buffer is released once the frames have become small

	// longFrame is the size in bytes from which nothing after a frame is read along with its end. So its memory can be given
	// away, and next to nothing has to move. It costs one more read for each such frame.
	longFrame = 256 << 10

	// readBehind is the least number of bytes to read of what follows a long frame: they move to other memory if the next frame
	// is long, too.
	readBehind = 4 << 10
)

// outgrown reports whether a buffer of size bytes is released after a frame of used bytes. It stays as long as long messages
// come; a keep-alive is enough to release it.
func outgrown(size, used int) bool { return size > keepBuffer && used < size/4 }

// A frameReader cuts a byte stream into frames. Its buffer begins with headroom, and doubles when it is full: a length that
// claims more than came lately costs no memory until the bytes have come. Not for concurrent use.
type frameReader struct {
	src        io.Reader
	pool       *lent.Pool   // where buffers come from and return to; may be nil
	memory     *lent.Memory // of buf
	buf        []byte
	start, end int   // bytes that have come and are not consumed; start ≥ headroom
	last       int   // length of the last frame
	lately     int   // about the longest of those that came lately
	owned      bool  // somebody else holds the memory of the last frame, too
	filled     bool  // the last read filled the buffer
	err        error // of src, after the last byte

	// For a budget of long frames, if there is one.
	long  *budget.Budget
	ctx   context.Context // ends the waiting
	peer  budget.Peer
	share *budget.Share // of the current frame, or of the buffer left from the last one
	read  atomic.Uint64 // bytes
}

func newFrameReader(src io.Reader, pool *lent.Pool) *frameReader {
	return &frameReader{src: src, pool: pool}
}

// ration makes long frames wait until a budget has room for them.
func (r *frameReader) ration(ctx context.Context, long *budget.Budget, drop func()) {
	r.ctx, r.long, r.peer = ctx, long, budget.Peer{Progress: r.read.Load, Drop: drop}
}

// admit waits until the budget has room for a frame of so many bytes. A frame that fits into a buffer that is kept in any case
// needs none.
func (r *frameReader) admit(bytes int) (err error) {
	if bytes <= keepBuffer || bytes <= r.share.Bytes() || r.long == nil {
		return nil
	}
	if len(r.buf) > 2*keepBuffer { // it would be in no share while we wait
		r.replace(max(readBuffer, headroom+r.end-r.start))
	}
	r.share.Release()
	r.share, err = r.long.Take(r.ctx, bytes, r.peer)
	return err
}

// own returns a hold on the memory of the last frame, which the caller releases. It returns nil if copying is better: for a
// short frame, which would keep others in memory, and when too much is held already.
func (r *frameReader) own() *lent.Memory {
	if r.last < longFrame || r.pool.Full() {
		return nil
	}
	r.owned = true
	r.memory.Hold()
	return r.memory
}

// settle makes the buffer ours, and as large as is useful, before the next frame. Bytes of that frame move along.
func (r *frameReader) settle() {
	switch empty := r.start == r.end; {
	case empty && outgrown(len(r.buf), r.last):
		r.release()
	case r.owned:
		r.replace(max(readBuffer, headroom+lengthSize+r.end-r.start))
	case empty && r.buf != nil:
		r.start, r.end = headroom, headroom
	}
	r.owned = false
	if len(r.buf) <= 2*keepBuffer {
		r.share.Release()
		r.share = nil
	}
}

// release releases the buffer.
func (r *frameReader) release() {
	r.memory.Release()
	r.memory, r.buf, r.start, r.end = nil, nil, 0, 0
}

// replace moves to another buffer of so many bytes or more.
func (r *frameReader) replace(size int) {
	old, rest := r.memory, r.buf[r.start:r.end]
	r.memory = r.pool.Take(size)
	r.buf = r.memory.Bytes()
	r.start, r.end = headroom, headroom+copy(r.buf[headroom:], rest)
	old.Release()
}

// next returns the next frame, preceded by [scratch] bytes of scratch. Its length must be at least least and at most most. It
// is valid until the next call. The error is io.EOF if the stream has ended before the frame's first byte. It wraps
// io.ErrUnexpectedEOF if the stream has ended inside the frame, and ErrFrame if the length is wrong.
func (r *frameReader) next(least, most int) ([]byte, error) {
	r.settle()
	if err := r.fill(lengthSize); err != nil {
		return nil, err
	}
	b := r.buf[r.start:]
	n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	if n < least || n > most {
		if least == most {
			return nil, fmt.Errorf("%w: length %d, expected %d", ErrFrame, n, least)
		}
		return nil, fmt.Errorf("%w: length %d is not between %d and %d", ErrFrame, n, least, most)
	}
	if err := r.admit(n); err != nil {
		return nil, err
	}
	if err := r.fill(lengthSize + n); err != nil {
		return nil, err
	}
	from := r.start + lengthSize
	r.start, r.last, r.lately = from+n, n, max(n, r.lately-r.lately/64)
	return r.buf[from-scratch : r.start : r.start], nil
}

// fill reads until there are need bytes.
func (r *frameReader) fill(need int) error {
	for idle := 0; r.end-r.start < need; idle++ {
		if r.err != nil {
			return r.ended()
		}
		if idle == 100 {
			return io.ErrNoProgress
		}
		r.makeRoom(need)
		n, err := r.src.Read(r.buf[r.end:r.until(need)])
		if n > 0 {
			r.end += n
			r.read.Add(uint64(n))
			r.filled = r.end == len(r.buf)
			idle = 0
		}
		r.err = err
	}
	return nil
}

// until returns how far to read for so many bytes: to the end of a long frame, and not far into a frame while long ones come,
// as it may be long, too.
func (r *frameReader) until(need int) int {
	switch {
	case need >= longFrame:
		return min(r.start+need, len(r.buf))
	case r.lately >= longFrame:
		return min(max(r.start+need, r.end+readBehind), len(r.buf))
	}
	return len(r.buf)
}

// ended returns the error of the stream when more bytes are needed than there are.
func (r *frameReader) ended() error {
	if !errors.Is(r.err, io.EOF) || r.start == r.end {
		return r.err
	}
	return fmt.Errorf("inside a frame: %w", io.ErrUnexpectedEOF)
}

// makeRoom makes room for at least one more byte, and for all of need if the buffer is large enough.
func (r *frameReader) makeRoom(need int) {
	switch grow := r.filled && len(r.buf) < aheadBuffer; {
	case r.buf == nil:
		r.memory = r.pool.Take(readBuffer)
		r.buf = r.memory.Bytes()
		r.start, r.end = headroom, headroom
	case r.start+need <= len(r.buf):
	case headroom+r.likely(need) > len(r.buf):
		r.replace(headroom + r.likely(need))
	case grow || r.end-r.start == len(r.buf)-headroom:
		size := 2 * len(r.buf)
		if need >= longFrame {
			size = min(size, headroom+need)
		}
		r.replace(size)
		r.filled = false
	default:
		r.end = headroom + copy(r.buf[headroom:], r.buf[r.start:r.end])
		r.start = headroom
	}
}

// likely returns for how many of the claimed bytes to make room at once: half as many again as came lately. For more, the
// buffer doubles when they have come.
func (r *frameReader) likely(claimed int) int { return min(claimed, r.lately+r.lately/2) }

// buffered reports whether the next frame has come whole.
func (r *frameReader) buffered() bool {
	have := r.end - r.start
	if have < lengthSize {
		return false
	}
	b := r.buf[r.start:]
	return have >= lengthSize+(int(b[0])|int(b[1])<<8|int(b[2])<<16)
}
