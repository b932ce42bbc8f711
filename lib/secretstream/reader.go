package secretstream

import (
	"errors"
	"fmt"
	"io"
)

const (
	lengthSize = 3         // bytes of a frame's length
	maxFrame   = 1<<24 - 1 // bytes of a frame behind its length
	overhead   = 1 + macSize

	// scratch is how many bytes before a message's tag a sealer uses. In a buffer of frames they are another frame's,
	// one that is done with when reading, one that is saved and put back when writing.
	scratch  = blockSize - 1
	headroom = scratch - lengthSize

	readBuffer  = 64 << 10    // bytes, to begin with
	aheadBuffer = 512 << 10   // bytes to which it grows while each read fills it, whatever the frames
	keepBuffer  = aheadBuffer // bytes; a larger buffer is let go when what passes it has become small
)

// outgrown says whether a buffer of size bytes is let go after used bytes have passed it. As long as long messages come
// it stays; a keep-alive is enough to end it.
func outgrown(size, used int) bool { return size > keepBuffer && used < size/4 }

// A frameReader cuts a byte stream into frames. Its buffer begins with headroom, and grows by doubling when it is full:
// what a length claims costs nothing until the bytes have come. Not for concurrent use.
type frameReader struct {
	src        io.Reader
	buf        []byte
	start, end int   // bytes that have come and are not consumed; start ≥ headroom
	last       int   // length of the last frame
	filled     bool  // the last read took all the room there was
	err        error // of src, behind the last byte
}

func newFrameReader(src io.Reader) *frameReader { return &frameReader{src: src} }

// next returns the next frame behind [scratch] bytes of scratch. Its length must be at least min and at most max. It is
// valid until the next call. The error is io.EOF if the stream has ended before the frame's first byte, wraps
// io.ErrUnexpectedEOF if inside of it, and ErrFrame if its length is wrong.
func (r *frameReader) next(min, max int) ([]byte, error) {
	if r.start == r.end && outgrown(len(r.buf), r.last) {
		r.buf = nil
	}
	if err := r.fill(lengthSize); err != nil {
		return nil, err
	}
	b := r.buf[r.start:]
	n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	if n < min || n > max {
		if min == max {
			return nil, fmt.Errorf("%w: length %d, expected %d", ErrFrame, n, min)
		}
		return nil, fmt.Errorf("%w: length %d is not within %d and %d", ErrFrame, n, min, max)
	}
	if err := r.fill(lengthSize + n); err != nil {
		return nil, err
	}
	from := r.start + lengthSize
	r.start, r.last = from+n, n
	return r.buf[from-scratch : r.start : r.start], nil
}

// fill reads until need bytes are there.
func (r *frameReader) fill(need int) error {
	for idle := 0; r.end-r.start < need; idle++ {
		if r.err != nil {
			return r.ended()
		}
		if idle == 100 {
			return io.ErrNoProgress
		}
		r.makeRoom(need)
		n, err := r.src.Read(r.buf[r.end:])
		if n > 0 {
			r.end += n
			r.filled = r.end == len(r.buf)
			idle = 0
		}
		r.err = err
	}
	return nil
}

// ended returns the error of the stream for a reader who needs more than there is.
func (r *frameReader) ended() error {
	if !errors.Is(r.err, io.EOF) || r.start == r.end {
		return r.err
	}
	return fmt.Errorf("inside a frame: %w", io.ErrUnexpectedEOF)
}

// makeRoom makes room for at least one more byte, and for all of need if the buffer is large enough.
func (r *frameReader) makeRoom(need int) {
	if r.buf == nil {
		r.buf = make([]byte, readBuffer)
		r.start, r.end = headroom, headroom
	}
	if r.start+need <= len(r.buf) {
		return
	}
	from := r.buf
	if ahead := r.filled && len(r.buf) < aheadBuffer; ahead || r.end-r.start == len(r.buf)-headroom {
		r.buf = make([]byte, min(2*len(r.buf), headroom+lengthSize+maxFrame))
		r.filled = false
	}
	r.end = headroom + copy(r.buf[headroom:], from[r.start:r.end])
	r.start = headroom
}

// buffered says whether the next frame has come whole, or is known to be none.
func (r *frameReader) buffered() bool {
	have := r.end - r.start
	if have < lengthSize {
		return false
	}
	b := r.buf[r.start:]
	return have >= lengthSize+(int(b[0])|int(b[1])<<8|int(b[2])<<16)
}
