package chunk

import (
	"fmt"
	"io"
)

const (
	// readSize is the least free space, in bytes, in a Chunker's buffer after it was compacted.
	readSize = 1 << 20
	// mostRead is how many bytes are read at once: they should still be in the processor's cache when the cutter
	// looks at them.
	mostRead = 256 << 10
	// maxEmptyReads is how often a reader may return neither bytes nor an error.
	maxEmptyReads = 100
)

// resumer is a Cutter that can continue where it stopped, so it need not be given the longest chunk at once.
type resumer interface {
	// cutFrom is Cut for a buf in whose first from bytes it has found no cut.
	cutFrom(buf []byte, from int, eof bool) int
	// worth is how many more bytes make another call worthwhile.
	worth() int
}

// A Chunker cuts the input of a reader. It holds one buffer: 1 MiB and the largest chunk; for cutters that can
// continue where they stopped 1 MiB, or as much as the longest chunk so far needs.
type Chunker struct {
	r          io.Reader
	cutter     Cutter
	resume     resumer // cutter, if it is one
	max        int
	buf        []byte
	start, end int    // buf[start:end] is read and not yet returned
	scanned    int    // bytes of that which the cutter has seen
	offset     uint64 // of buf[start] in the input
	eof        bool
	err        error // sticky; the reader's error at the end
}

// New returns a Chunker that cuts r where cutter says. A max above 0 is a further bound on a chunk's bytes, at most
// cutter.Max(): a chunk that would be longer is an error.
func New(r io.Reader, cutter Cutter, max int) *Chunker {
	if max <= 0 || max > cutter.Max() {
		max = cutter.Max()
	}
	c := &Chunker{r: r, cutter: cutter, max: max}
	size := readSize + max
	if resume, ok := cutter.(resumer); ok {
		c.resume = resume
		size = readSize
	}
	c.buf = make([]byte, size)
	return c
}

// Reset makes c cut r from its beginning, with the same cutter and buffer.
func (c *Chunker) Reset(r io.Reader) {
	*c = Chunker{r: r, cutter: c.cutter, resume: c.resume, max: c.max, buf: c.buf}
}

// Offset returns the number of bytes in all chunks that Next has returned: where the next one begins.
func (c *Chunker) Offset() uint64 { return c.offset }

// Next returns the next chunk; its bytes are valid until the next call. At the end of the input it returns io.EOF. An
// error of the reader comes after the chunks that were complete before it. Errors are final.
func (c *Chunker) Next() ([]byte, error) {
	for {
		n, err := c.cut()
		if err != nil {
			return nil, err
		}
		if n > 0 {
			return c.take(n), nil
		}
		if c.eof || c.err != nil {
			return nil, c.finish()
		}
		c.fill()
	}
}

// NextAll appends to dst the next chunk, as Next returns it, and those after it that have been read already. All are
// valid until the next call.
func (c *Chunker) NextAll(dst [][]byte) ([][]byte, error) {
	data, err := c.Next()
	if err != nil {
		return dst, err
	}
	dst = append(dst, data)
	for {
		n, err := c.cut()
		if n == 0 || err != nil {
			return dst, nil // the next call finds the same error
		}
		dst = append(dst, c.take(n))
	}
}

// manyChunks is how many chunks are enough for NextMany: a list of as many lines as fit into 1 MiB takes more memory
// than everything else.
const manyChunks = 16 << 10

// NextMany is NextAll, but continues reading while there is room in the buffer, about 1 MiB: for an input that does
// not make the caller wait, such as a file.
func (c *Chunker) NextMany(dst [][]byte) ([][]byte, error) {
	dst, err := c.NextAll(dst)
	for err == nil && len(dst) < manyChunks && c.readOn() {
		for {
			n, err := c.cut()
			if n == 0 || err != nil {
				break // the next call finds the same error
			}
			dst = append(dst, c.take(n))
		}
	}
	return dst, err
}

// readOn reads once, without moving the bytes in the buffer, and reports whether there is more to cut.
func (c *Chunker) readOn() bool {
	if c.eof || c.err != nil || len(c.buf)-c.end < mostRead {
		return false
	}
	c.read(1, mostRead)
	return c.err == nil
}

// take returns the next n bytes as a chunk.
func (c *Chunker) take(n int) []byte {
	data := c.buf[c.start : c.start+n : c.start+n]
	c.start += n
	c.scanned = 0
	c.offset += uint64(n)
	return data
}

// cut returns the length of the chunk at buf[start], or 0 if the cutter cannot tell yet.
func (c *Chunker) cut() (int, error) {
	data := c.buf[c.start:c.end]
	if len(data) == 0 {
		return 0, nil
	}
	n := 0
	switch {
	case c.resume != nil:
		n = c.resume.cutFrom(data, c.scanned, c.eof)
		c.scanned = len(data)
	case c.eof || len(data) >= c.cutter.Max():
		n = c.cutter.Cut(data, c.eof)
	case len(data) > c.max:
		n = c.cutter.Cut(data, false)
	}
	if n < 0 || n > c.max || n == 0 && len(data) > c.max {
		c.err, c.scanned = c.tooLong(), 0
		return 0, c.err
	}
	return n, nil
}

// tooLong returns the error for content that may not be cut.
func (c *Chunker) tooLong() error {
	what := "chunk"
	if _, ok := c.cutter.(lines); ok {
		what = "line"
	}
	return fmt.Errorf("%s at byte %d: %w: over %d bytes", what, c.offset, ErrTooLong, c.max)
}

// finish returns the error that ends the input.
func (c *Chunker) finish() error {
	if c.err == nil {
		c.err = io.EOF
	}
	return c.err
}

// fill reads until it is worth asking the cutter, or up to the end of the input: as many bytes as the longest chunk
// has, or fewer if the cutter can continue where it stopped.
func (c *Chunker) fill() {
	want := min(c.cutter.Max(), c.max+1)
	if c.resume != nil {
		want = min(want, c.end-c.start+c.resume.worth())
	}
	want = max(want, c.end-c.start+1)
	for c.end-c.start < want && !c.eof && c.err == nil {
		c.makeRoom()
		most := min(len(c.buf)-c.end, mostRead)
		c.read(min(want-(c.end-c.start), most), most)
	}
}

// read reads at least least bytes, or up to the end of the input, and at most most bytes, for which there is room.
func (c *Chunker) read(least, most int) {
	n, err := readAtLeast(c.r, c.buf[c.end:c.end+most], least)
	c.end += n
	if err == io.EOF {
		c.eof = true
	} else {
		c.err = err
	}
}

// readAtLeast reads least bytes into p, or more. Unlike the function in package io it returns io.EOF whenever the
// input ends, and does not trust the counts that a reader returns.
func readAtLeast(r io.Reader, p []byte, least int) (n int, err error) {
	empty := 0
	for n < least {
		k, err := r.Read(p[n:])
		if k < 0 || k > len(p)-n {
			return n, fmt.Errorf("chunk: reader returned an impossible count of %d bytes", k)
		}
		n += k
		if err != nil {
			return n, err
		}
		if k > 0 {
			empty = 0
		} else if empty++; empty == maxEmptyReads {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}

// makeRoom makes room for at least one byte.
func (c *Chunker) makeRoom() {
	have := c.end - c.start
	if c.start > 0 && (have == 0 || c.end == len(c.buf)) {
		copy(c.buf, c.buf[c.start:c.end])
		c.start, c.end = 0, have
	}
	if c.end == len(c.buf) {
		bigger := make([]byte, min(2*len(c.buf), c.max+readSize))
		copy(bigger, c.buf[:c.end])
		c.buf = bigger
	}
}
