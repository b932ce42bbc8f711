package stream

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"hc/lib/checksum"
)

// readBuffer is the initial size in bytes of a Reader's buffer: it grows with the frames that come.
const readBuffer = 256 << 10

// maxEmptyReads is how often a reader may return neither bytes nor an error.
const maxEmptyReads = 100

// A Reader reads a stream and returns its blocks. It trusts no length before it has checked it against the limits,
// and allocates no memory for bytes before most of them have come.
type Reader struct {
	r          io.Reader
	buf        []byte
	start, end int   // buf[start:end] is read and not yet consumed
	readErr    error // the error with which r ended

	offset uint64 // of buf[start] in the stream
	frame  uint64 // of the frame being read, from 1; 0 is the first line
	at     uint64 // where that frame begins
	crc    uint32 // of all frames before it
	bytes  uint64 // of all their blocks

	data    []byte // the frame's blocks that were not yet returned, a part of buf
	lengths []int  // scratch: all lengths of a chunk frame
	left    []int  // of the blocks in data; unused for lines
	lines   bool

	summing bool         // blocks with a frame of their own get a sum
	sum     checksum.Sum // of the block in data

	folder *folderRules // of a FolderReader; nil if only blocks are wanted
	begun  bool
	err    error // sticky
}

// NewReader returns a Reader of r. It reads ahead.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: r, buf: make([]byte, readBuffer)}
}

// Next returns the next block; its bytes are valid until the next call. It returns io.EOF after a valid end frame
// with nothing after it, and only there. Errors wrap ErrFormat, ErrTruncated, ErrFolder or the underlying reader's
// error; they name the frame (the one after the first line is 1) and its offset in the stream. The first error is
// final.
func (r *Reader) Next() ([]byte, error) {
	for !r.buffered() {
		if err := r.advance(false); err != nil {
			return nil, err
		}
	}
	return r.take(r.nextLength()), nil
}

// NextBatch appends to dst the next blocks: at least one, and more while they have at most maxBytes together and are
// of one kind, which lines reports. All are valid until the next call; the Reader's buffer grows to hold them. It
// waits for more of the stream, so it is for throughput, not for data that must be seen at once. Errors are those of
// Next; they come alone, after the blocks that were complete before.
func (r *Reader) NextBatch(dst [][]byte, maxBytes int) (batch [][]byte, lines bool, err error) {
	for !r.buffered() {
		r.makeRoom(maxBytes)
		if err := r.advance(false); err != nil {
			return dst, false, err
		}
	}
	lines = r.lines
	n := r.nextLength()
	for total := n; ; {
		dst = append(dst, r.take(n))
		for !r.buffered() {
			if total >= maxBytes || r.advance(true) != nil {
				return dst, lines, nil
			}
		}
		n = r.nextLength()
		if total += n; total > maxBytes || r.lines != lines {
			return dst, lines, nil
		}
	}
}

// buffered reports whether blocks of the current frame have not been returned yet.
func (r *Reader) buffered() bool {
	return len(r.data) > 0 || len(r.left) > 0
}

// nextLength returns the size in bytes of the next buffered block.
func (r *Reader) nextLength() int {
	if !r.lines {
		return r.left[0]
	}
	if n := bytes.IndexByte(r.data, '\n') + 1; n > 0 {
		return n
	}
	return len(r.data)
}

// take returns the next buffered block, which has n bytes.
func (r *Reader) take(n int) []byte {
	if !r.lines {
		r.left = r.left[1:]
	}
	block := r.data[:n:n]
	r.data = r.data[n:]
	return block
}

// errRoom says that a frame does not fit after data that must not move.
var errRoom = errors.New("hc-stream: internal error: no room")

// advance reads the next frame, after which blocks are buffered unless it had none. With pinned, bytes in the buffer
// stay where they are; it returns errRoom, which is not final, if that leaves no room. Before a folder frame, if one
// may come, it returns errItem, which is not final either.
func (r *Reader) advance(pinned bool) error {
	if r.err != nil {
		return r.err
	}
	var err error
	if !r.begun {
		err = r.readMagic()
	} else {
		err = r.readFrame(pinned)
	}
	if err == errRoom || err == errItem {
		return err
	}
	r.err = err
	return err
}

// readMagic reads the first line.
func (r *Reader) readMagic() error {
	for n := 1; n <= len(magic); n++ {
		if err := r.need(n, false); err != nil {
			if err == errEnd && r.end == 0 {
				return fmt.Errorf("%w: it is empty", ErrTruncated)
			}
			return r.unexpected(err)
		}
		if r.buf[r.start+n-1] != magic[n-1] {
			return r.noMagic()
		}
	}
	r.begun = true
	r.consume(len(magic))
	return nil
}

// noMagic returns an error that says what the input is instead of an hc-stream.
func (r *Reader) noMagic() error {
	have := r.buf[r.start:r.end]
	line, _, _ := bytes.Cut(have, []byte("\n"))
	switch {
	case bytes.HasPrefix(line, []byte("hc-proof/")):
		return notStream("the input is a proof, from hc-fetch: pipe it through hc-verify")
	case bytes.HasPrefix(line, []byte(magic[:len("hc-stream/")])):
		return fmt.Errorf("%w: version %s is not known here: this reads %s", ErrFormat, show(line), strings.TrimSpace(magic))
	}
	return notStream(fmt.Sprintf("the input is not an hc-stream (it begins with %s): hc-chunk makes one from any input", show(line)))
}

// notStream is the ErrFormat of an input that was never meant to be an hc-stream: it says what it is.
type notStream string

func (e notStream) Error() string { return string(e) }
func (e notStream) Unwrap() error { return ErrFormat }

// readFrame reads a whole frame.
func (r *Reader) readFrame(pinned bool) error {
	r.frame++
	r.at = r.offset
	err := r.parseFrame(pinned)
	if err == errRoom || err == errItem {
		r.frame--
	}
	return err
}

// parseFrame reads the frame that begins at start.
func (r *Reader) parseFrame(pinned bool) error {
	size, err := r.findHeader(pinned)
	if err != nil {
		return err
	}
	word, rest, more := cutWord(r.buf[r.start : r.start+size-1])
	var length, count int
	switch {
	case kindOf(word) != 0:
		return r.folderFrame(word)
	case string(word) == "end" && more:
		return r.readEnd(size, pinned)
	case r.folder != nil && r.frame == 1 && (string(word) == "chunk" || string(word) == "lines"):
		return ErrPlain
	case r.folder != nil && !r.folder.inFile && (string(word) == "chunk" || string(word) == "lines"):
		err = fmt.Errorf("%w: a folder's stream begins with tree or file", errNoFile)
	case string(word) == "chunk" && more:
		r.lengths, length, err = parseLengths(r.lengths[:0], rest)
	case string(word) == "lines" && more:
		count, length, err = parseLines(rest)
	default:
		err = fmt.Errorf("unknown header %s", show(r.buf[r.start:r.start+size-1]))
	}
	if err != nil {
		return r.malformed(err)
	}
	return r.readData(size, length, count, string(word) == "lines", pinned)
}

// folderFrame returns errItem if folder frames may come, else an error.
func (r *Reader) folderFrame(word []byte) error {
	if r.folder != nil {
		return errItem
	}
	return fmt.Errorf("%w (frame %d at byte %d is %q): its files go into a drive, with hc-append NAME --drive; "+
		"into a log a folder goes as one tar: tar c DIR | hc-chunk", ErrFolder, r.frame, r.at, word)
}

// readData reads the blocks of a frame with a header of size bytes: length bytes, and an LF.
func (r *Reader) readData(size, length, count int, lines, pinned bool) error {
	whole := size + length + 1
	if err := r.need(whole, pinned); err != nil {
		return r.unexpected(err)
	}
	data := r.buf[r.start+size : r.start+size+length]
	if r.buf[r.start+whole-1] != '\n' {
		return r.malformed(fmt.Errorf("no LF after its %d bytes", length))
	}
	if lines {
		if n := countLines(data); n != count {
			return r.malformed(fmt.Errorf("it holds %d lines, not %d", n, count))
		}
	}
	if r.bytes += uint64(length); r.bytes < uint64(length) {
		return r.malformed(errors.New("more bytes than can be counted"))
	}
	if r.sum = (checksum.Sum{}); r.summing && !lines && len(r.lengths) == 1 && length >= direct {
		r.sum = checksum.Of(data)
		r.consumeSummed(size, length)
	} else {
		r.consume(whole)
	}
	r.lines, r.data, r.left = lines, data, nil
	if !lines {
		r.left = r.lengths
	}
	return nil
}

// countLines returns into how many pieces data splits after each LF.
func countLines(data []byte) int {
	n := bytes.Count(data, []byte{'\n'})
	if len(data) > 0 && data[len(data)-1] != '\n' {
		n++
	}
	return n
}

// readEnd checks the end frame, whose header has size bytes, and that nothing follows it.
func (r *Reader) readEnd(size int, pinned bool) error {
	header := r.buf[r.start : r.start+size]
	if want := appendEnd(nil, r.frame-1, r.bytes, r.crc); !bytes.Equal(header, want) {
		return r.malformed(fmt.Errorf("it says %s, but %s is right: the stream was changed on its way, or the file that it was made from",
			show(header[:size-1]), show(want[:len(want)-1])))
	}
	err := r.need(size+1, pinned)
	switch {
	case err == errEnd:
		return io.EOF
	case err == nil:
		return fmt.Errorf("%w: bytes after the end frame (frame %d at byte %d)", ErrFormat, r.frame, r.at)
	}
	return r.unexpected(err)
}

// malformed returns err as one about the current frame.
func (r *Reader) malformed(err error) error {
	return fmt.Errorf("%w: frame %d at byte %d: %w", ErrFormat, r.frame, r.at, err)
}

// unexpected returns an error of need as one about the current frame.
func (r *Reader) unexpected(err error) error {
	switch err {
	case errRoom:
		return err
	case errEnd:
		return fmt.Errorf("%w: in frame %d, which begins at byte %d", ErrTruncated, r.frame, r.at)
	}
	return fmt.Errorf("reading hc-stream: frame %d at byte %d: %w", r.frame, r.at, err)
}

// consume skips the next n bytes, which are in the buffer, and adds them to the checksum.
func (r *Reader) consume(n int) {
	r.crc = crc32.Update(r.crc, castagnoli, r.buf[r.start:r.start+n])
	r.start += n
	r.offset += uint64(n)
}

// consumeSummed is consume for a frame whose header has size bytes, and whose one block of length bytes has r.sum.
func (r *Reader) consumeSummed(size, length int) {
	r.consume(size)
	r.crc = checksum.Combine(r.crc, r.sum.CRC, length)
	r.start += length
	r.offset += uint64(length)
	r.consume(len("\n"))
}
