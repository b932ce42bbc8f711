package proof

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A reader takes a stream apart into frames. It looks one frame ahead: peek reads a frame's line, take says that it is
// dealt with. The first error stays.
type reader struct {
	in     *bufio.Reader
	from   io.Reader // what in reads from
	offset uint64    // bytes read
	at     uint64    // offset of the frame
	frame  uint64    // number of the frame
	line   []byte    // the frame's line without its LF; valid until the next read; nil: not read yet
	err    error
}

// peek returns the word that the next frame begins with.
func (r *reader) peek() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.line == nil {
		r.at = r.offset
		line, err := r.in.ReadSlice('\n')
		if err != nil && !(errors.Is(err, bufio.ErrBufferFull) || errors.Is(err, io.EOF) && len(line) > maxLine) {
			return nil, r.broken(err)
		}
		if len(line) > maxLine {
			return nil, r.fail("a line of more than %d bytes", maxLine)
		}
		r.offset += uint64(len(line))
		r.line = line[:len(line)-1]
	}
	word, _, _ := bytes.Cut(r.line, []byte{' '})
	return word, nil
}

// words returns what follows the word of the frame that peek has read.
func (r *reader) words() words {
	_, rest, more := bytes.Cut(r.line, []byte{' '})
	return words{left: rest, more: more}
}

// take says that the frame's line has been dealt with; the next peek reads the next one. What words returned aliases
// the line until then.
func (r *reader) take() {
	r.line = nil
	r.frame++
}

// payload fills b with the bytes behind a frame's line, and reads the LF behind them. It ends the frame.
func (r *reader) payload(b []byte) error {
	r.line = nil
	n, err := r.readFull(b)
	r.offset += uint64(n)
	if err != nil {
		return r.broken(err)
	}
	c, err := r.in.ReadByte()
	if err != nil {
		return r.broken(err)
	}
	r.offset++
	if c != '\n' {
		return r.fail("no LF behind %d bytes", len(b))
	}
	r.frame++
	return nil
}

// readFull fills b with what in has taken already, and what is left of a long one from where that reads, without a copy.
func (r *reader) readFull(b []byte) (int, error) {
	if len(b)-r.in.Buffered() < r.in.Size() {
		return io.ReadFull(r.in, b)
	}
	n, err := io.ReadFull(r.in, b[:r.in.Buffered()])
	if err != nil {
		return n, err
	}
	more, err := io.ReadFull(r.from, b[n:])
	return n + more, err
}

// end checks that nothing follows.
func (r *reader) end() error {
	_, err := r.in.ReadByte()
	if errors.Is(err, io.EOF) {
		return nil
	}
	r.at = r.offset
	if err != nil {
		return r.broken(err)
	}
	return r.fail("bytes behind the end frame")
}

// broken keeps an error of the input. One that ends too early is incomplete, not wrong.
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

// words are those of a line, one behind the other. The first that is not as it must be makes bad true.
type words struct {
	left []byte
	more bool // something is left, be it empty
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

// ok reports whether all words were as they had to be and none is left.
func (w *words) ok() bool { return !w.bad && !w.more }
