package stream

import (
	"bytes"
	"errors"
	"io"
)

// findHeader returns the size in bytes of the header line at start, including its LF.
func (r *Reader) findHeader(pinned bool) (int, error) { return r.findLine(0, pinned) }

// findLine returns the size in bytes of the line that begins at bytes after start, including its LF.
func (r *Reader) findLine(at int, pinned bool) (int, error) {
	for seen := 0; ; {
		have := r.buf[r.start+at : min(r.end, r.start+at+MaxHeader)]
		if i := bytes.IndexByte(have[seen:], '\n'); i >= 0 {
			return seen + i + 1, nil
		}
		if seen = len(have); seen == MaxHeader {
			return 0, r.malformed(errors.New("its header has no end within the limit"))
		}
		if err := r.need(at+seen+1, pinned); err != nil {
			return 0, r.unexpected(err)
		}
	}
}

// errEnd says that the underlying reader has ended.
var errEnd = errors.New("hc-stream: internal error: end of input")

// need reads until n bytes are in the buffer. It returns errEnd if the stream ends before that, the underlying
// reader's error, or errRoom, with pinned, if the buffer would have to be moved.
func (r *Reader) need(n int, pinned bool) error {
	for r.end-r.start < n {
		if err := r.room(n, pinned); err != nil {
			return err
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
	return nil
}

// room makes room to read to, on the way to n bytes.
func (r *Reader) room(n int, pinned bool) error {
	switch {
	case r.start+n <= len(r.buf):
		return nil
	case pinned:
		return errRoom
	case r.start > 0:
		r.tidy()
		return r.room(n, pinned)
	case r.end < len(r.buf):
		return nil // it grows when it is full: by what has come, not by what was promised
	}
	r.grow(min(2*len(r.buf), max(n, readBuffer)))
	return nil
}

// makeRoom makes sure that maxBytes, and headers between them, fit after start. A new buffer is twice that size, to
// move less often. Nothing in the buffer may be in use.
func (r *Reader) makeRoom(maxBytes int) {
	want := min(max(maxBytes, 0), MaxBlock) + MaxHeader
	r.makeRoomOf(want, 2*want)
}

// makeRoomOf makes sure that want bytes fit after start. The buffer grows to size bytes if it has fewer than want.
func (r *Reader) makeRoomOf(want, size int) {
	if len(r.buf)-r.start >= want {
		return
	}
	r.tidy()
	if len(r.buf) < want {
		r.grow(size)
	}
}

// tidy moves the unread bytes to the front of the buffer.
func (r *Reader) tidy() {
	r.end = copy(r.buf, r.buf[r.start:r.end])
	r.start = 0
}

// grow enlarges the buffer to size bytes.
func (r *Reader) grow(size int) {
	bigger := make([]byte, size)
	copy(bigger, r.buf[:r.end])
	r.buf = bigger
}

// fill reads at least one byte.
func (r *Reader) fill() error {
	if r.readErr != nil {
		return r.readErr
	}
	for range maxEmptyReads {
		n, err := r.r.Read(r.buf[r.end:])
		if n < 0 || n > len(r.buf)-r.end {
			r.readErr = errors.New("the reader returned an impossible count")
			return r.readErr
		}
		r.end += n
		if err == io.EOF {
			err = errEnd
		}
		r.readErr = err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	r.readErr = io.ErrNoProgress
	return r.readErr
}
