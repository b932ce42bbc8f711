package stream

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"

	"hc/lib/gather"
)

// writeBuffer is how many bytes a Writer gathers before it writes.
const writeBuffer = 256 << 10

// direct is the smallest size in bytes of a chunk that gets a frame of its own: its header is not worth another copy.
const direct = 8 << 10

// errClosed is returned by a Writer that is used after its end.
var errClosed = errors.New("hc-stream: write after the end frame")

// A Writer writes a stream. Its first error is final: a stream that has failed gets no end frame.
type Writer struct {
	out     *gather.Writer
	lends   bool        // a chunk with its own frame does not change until the next flush of out
	from    io.ReaderAt // the file that contains that chunk, too; nil: none
	at      int64       // the chunk's offset in that file
	crc     uint32      // of everything that went to out
	frames  uint64
	bytes   uint64       // of blocks
	pending []byte       // small blocks that are to share a frame
	lengths []int        // of the chunks in pending; unused for lines
	count   int          // blocks in pending
	digits  int          // bytes that lengths take in a header
	lines   bool         // pending holds lines
	header  []byte       // scratch
	folder  *folderRules // of a stream of a folder, once it is one
	err     error
}

// NewWriter returns a Writer to w. It writes to w in large pieces, as package gather does; everything is written once
// Close has returned nil.
func NewWriter(w io.Writer) *Writer {
	s := &Writer{out: gather.New(w, writeBuffer), pending: make([]byte, 0, MaxPacked)}
	s.emit([]byte(magic))
	return s
}

// Chunk writes one block of at most MaxBlock bytes. data may be reused once it has returned.
func (w *Writer) Chunk(data []byte) error {
	if err := w.mayWriteBlocks(); err != nil {
		return err
	}
	if len(data) > MaxBlock {
		return w.fail(fmt.Errorf("chunk of %d bytes: %w (%d)", len(data), ErrTooLarge, MaxBlock))
	}
	digits := len(" ") + decimalDigits(len(data))
	alone := len(data) >= direct
	if w.lines || alone || !w.fits(len(data), digits) {
		w.flush()
	}
	w.lines = false
	w.lengths = append(w.lengths, len(data))
	w.digits += digits
	w.count++
	if alone {
		return w.flushWith(data, w.lendOrWrite)
	}
	w.pending = append(w.pending, data...)
	return w.err
}

// ChunksFrom is Chunk for many blocks. Those that w can write from where they are, are not copied. If file is not
// nil, the blocks were read from it, contiguously from that offset on. A pipe may get them from there, so the file
// must not change until they have been read from the pipe. If it does, the reader finds a wrong checksum: that is
// computed from the blocks given here.
func (w *Writer) ChunksFrom(file io.ReaderAt, offset int64, blocks ...[]byte) error {
	w.lends, w.from, w.at = true, file, offset
	for _, data := range blocks {
		if err := w.Chunk(data); err != nil {
			return err
		}
		w.at += int64(len(data))
	}
	w.lends, w.from = false, nil
	if w.out.Lent() > 0 {
		w.fail(w.out.Flush())
	}
	return w.err
}

func (w *Writer) lendOrWrite(b []byte) error {
	switch {
	case w.lends && w.from != nil:
		return w.out.LendFrom(w.from, w.at, b)
	case w.lends:
		return w.out.Lend(b)
	}
	return w.write(b)
}

// write takes the bytes of b before it returns.
func (w *Writer) write(b []byte) error {
	_, err := w.out.Write(b)
	return err
}

// fits reports whether a chunk of n bytes, whose length takes digits bytes in the header, may join the pending ones.
func (w *Writer) fits(n, digits int) bool {
	const room = MaxHeader - len("chunk") - len("\n")
	return len(w.pending)+n <= MaxPacked && w.count < maxLengths && w.digits+digits <= room
}

// Lines writes lines, each of which is a block with its LF; data holds any number of whole ones, the last may lack
// its LF. A line has at most MaxBlock bytes. data may be reused once it has returned.
func (w *Writer) Lines(data []byte) error {
	if err := w.mayWriteBlocks(); err != nil {
		return err
	}
	for len(data) > 0 && w.err == nil {
		n := bytes.IndexByte(data, '\n') + 1
		if n == 0 {
			n = len(data)
		}
		if err := w.line(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return w.err
}

// line writes one line.
func (w *Writer) line(line []byte) error {
	if len(line) > MaxBlock {
		return w.fail(fmt.Errorf("line of %d bytes: %w (%d)", len(line), ErrTooLarge, MaxBlock))
	}
	open := len(w.pending) > 0 && w.pending[len(w.pending)-1] != '\n' // nothing can follow a line without LF
	if !w.lines || open || len(w.pending)+len(line) > MaxPacked {
		w.flush()
	}
	w.lines = true
	w.count++
	if len(line) > MaxPacked {
		return w.flushWith(line, w.write)
	}
	w.pending = append(w.pending, line...)
	return w.err
}

// Close writes the end frame and everything that is still buffered. It does not close the underlying writer. Without
// Close a stream is void, so a producer that fails only has to omit it.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	w.flush()
	end := appendEnd(w.header[:0], w.frames, w.bytes, w.crc)
	w.emit(end)
	if w.err == nil {
		w.fail(w.out.Flush())
	}
	if w.err != nil {
		return w.err
	}
	w.err = errClosed
	return nil
}

// flush writes the pending blocks as one frame.
func (w *Writer) flush() {
	if w.count > 0 {
		_ = w.flushWith(w.pending, w.write) // pending is reused
	}
}

// flushWith writes the frame of the counted blocks, whose bytes are data and are written by write.
func (w *Writer) flushWith(data []byte, write func([]byte) error) error {
	if w.lines {
		w.header = appendLines(w.header[:0], w.count, len(data))
	} else {
		w.header = appendChunk(w.header[:0], w.lengths)
	}
	w.emit(w.header)
	w.emitBy(write, data)
	w.emit([]byte{'\n'})
	w.frames++
	w.bytes += uint64(len(data))
	w.pending, w.lengths, w.count, w.digits = w.pending[:0], w.lengths[:0], 0, 0
	return w.err
}

// emit writes b and adds it to the checksum.
func (w *Writer) emit(b []byte) { w.emitBy(w.write, b) }

func (w *Writer) emitBy(write func([]byte) error, b []byte) {
	if w.err != nil {
		return
	}
	w.crc = crc32.Update(w.crc, castagnoli, b)
	w.fail(write(b))
}

// fail keeps the first error.
func (w *Writer) fail(err error) error {
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("writing hc-stream: %w", err)
	}
	return w.err
}

// decimalDigits returns how many digits n is written with; n ≥ 0.
func decimalDigits(n int) int {
	var b [20]byte
	return len(strconv.AppendInt(b[:0], int64(n), 10))
}
