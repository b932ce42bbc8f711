package proof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A reader splits a stream into frames. It looks one frame ahead: peek reads a frame's line, take ends its use.
// Payloads stay where they were read to. The first error stays.
type reader struct {
	from   io.Reader
	failed error  // error of from, after the bytes that have come
	buf    []byte // reused from its start
	start  int    // of the bytes that have come and were not taken; a line is taken when it is read
	end    int    // of the bytes that have come
	top    int    // how far the buffer may be filled
	held   int    // the bytes before it are no longer used, if top is the buffer's end
	offset uint64 // bytes taken
	at     uint64 // offset of the frame
	frame  uint64 // number of the frame
	line   []byte // the frame's line without its LF; valid until the next read; nil: not read yet
	leaves []comingLeaf
	err    error

	leafRoom [mostComing]comingLeaf // memory for leaves
}

const (
	// groupRoom is room for a group of several blocks, with the lines of its frames.
	groupRoom = 1<<20 + 192<<10

	// lookAhead is how many bytes are read beyond the wanted ones at most.
	lookAhead = 2 << 20

	// readBuffer is room for a group, for the bytes read ahead, and for a group no longer used.
	readBuffer = 2*groupRoom + lookAhead

	// mostIdle is how many reads in a row may bring nothing.
	mostIdle = 100
)

// peek returns the word at the start of the next frame.
func (r *reader) peek() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.line == nil {
		r.at = r.offset
		n, err := r.findLine()
		if err != nil {
			return nil, err
		}
		r.line = r.buf[r.start : r.start+n : r.start+n]
		r.taken(n + 1)
	}
	word, _, _ := bytes.Cut(r.line, []byte{' '})
	return word, nil
}

// findLine reads until the next line is complete, and returns its length without the LF.
func (r *reader) findLine() (n int, err error) {
	for looked := 0; ; {
		have := r.end - r.start
		n := bytes.IndexByte(r.buf[r.start+looked:r.end], '\n')
		switch {
		case n >= 0 && looked+n < maxLine:
			return looked + n, nil
		case n >= 0 || have > maxLine:
			return 0, r.fail("a line of more than %d bytes", maxLine)
		}
		looked = have
		if err := r.fill(have + 1); err != nil {
			return 0, r.broken(err)
		}
	}
}

// fill reads until n bytes are there that were not taken.
func (r *reader) fill(n int) error {
	if r.start+n > r.top {
		r.makeRoom(n)
	}
	r.read(n)
	if r.end-r.start < n {
		return r.failed
	}
	return nil
}

// read reads until n bytes are there that were not taken, for which there must be room, or until no more come and
// r.failed says why.
func (r *reader) read(n int) {
	for idle := 0; r.end-r.start < n && r.failed == nil; idle++ {
		var got int
		got, r.failed = r.from.Read(r.buf[r.end:min(r.start+n+lookAhead, r.top)])
		if r.end += got; got > 0 {
			idle = 0
		}
		if idle == mostIdle {
			r.failed = io.ErrNoProgress
		}
	}
}

// ahead returns the number of bytes that are there and were not taken.
func (r *reader) ahead() int { return r.end - r.start }

// taken marks the next n bytes as processed. They stay until letGo.
func (r *reader) taken(n int) {
	r.start += n
	r.offset += uint64(n)
}

// makeRoom continues at the buffer's start, if nothing there is held, or else in another buffer with room for n
// bytes. Bytes that were taken stay where they are.
func (r *reader) makeRoom(n int) {
	rest := r.buf[r.start:r.end]
	if r.top == len(r.buf) && n <= r.held {
		r.top = r.held
	} else {
		r.buf = make([]byte, n+lookAhead)
		r.top, r.held = len(r.buf), 0
	}
	r.start, r.end = 0, copy(r.buf, rest)
}

// letGo ends all use of payloads that were returned: their memory is reused.
func (r *reader) letGo() {
	r.held, r.top = r.start, len(r.buf)
	if r.line != nil {
		r.held -= len(r.line) + 1
	}
}

// words returns the words after the first one in the frame that peek has read.
func (r *reader) words() words {
	_, rest, more := bytes.Cut(r.line, []byte{' '})
	return words{left: rest, more: more}
}

// take marks the frame's line as processed; the next peek reads the next one. The result of words aliases the line
// until then.
func (r *reader) take() {
	r.line = nil
	r.frame++
}

// payload reads the n bytes after a frame's line, and the LF after them. It ends the frame. The bytes are valid until
// letGo.
func (r *reader) payload(n int) ([]byte, error) {
	r.line = nil
	if err := r.fill(n + 1); err != nil {
		r.taken(min(n, r.end-r.start))
		return nil, r.broken(err)
	}
	b, behind := r.buf[r.start:r.start+n:r.start+n], r.buf[r.start+n]
	r.taken(n + 1)
	if behind != '\n' {
		return nil, r.fail("no LF after %d bytes", n)
	}
	r.frame++
	return b, nil
}

// ended checks that nothing follows.
func (r *reader) ended() error {
	err := r.fill(1)
	if errors.Is(err, io.EOF) {
		return nil
	}
	r.at = r.offset
	if err != nil {
		return r.broken(err)
	}
	return r.fail("bytes after the end frame")
}

// broken keeps an error of the input. An input that ends too early is incomplete, not wrong.
func (r *reader) broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.failAs(ErrPartial, "%w", ErrCut)
	}
	r.err = fmt.Errorf("reading the stream at byte %d: %w", r.offset, err)
	return r.err
}

// fail keeps an error that says that the frame is not what it has to be.
func (r *reader) fail(format string, args ...any) error {
	return r.failAs(ErrUnverified, format, args...)
}

func (r *reader) failAs(kind error, format string, args ...any) error {
	r.err = &FrameError{Frame: r.frame, Offset: r.at, Kind: kind, Reason: fmt.Errorf(format, args...)}
	return r.err
}

// words are the words of a line, in sequence. The first invalid one makes bad true.
type words struct {
	left []byte
	more bool // something is left, even if it is empty
	bad  bool
}

func (w *words) next() []byte {
	if !w.more {
		w.bad = true
		return nil
	}
	var word []byte
	word, w.left, w.more = bytes.Cut(w.left, []byte{' '})
	return word
}

func (w *words) number(most uint64) uint64 {
	n, err := parseNumber(w.next())
	if err != nil || n > most {
		w.bad = true
		return 0
	}
	return n
}

func (w *words) hex32() [32]byte {
	x, ok := parseHex32(w.next())
	if !ok {
		w.bad = true
	}
	return x
}

// ok reports whether all words were valid and none is left.
func (w *words) ok() bool { return !w.bad && !w.more }
