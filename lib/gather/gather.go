// Package gather joins small writes into large ones: short pieces are copied, long ones may be written from where
// they are.
package gather

import "io"

// A PiecesWriter writes many pieces, in order, from where they are: all of them, or it returns an error. It may
// change the slice, but not the bytes.
type PiecesWriter interface {
	WritePieces(pieces [][]byte) error
}

// A FileWriter is a PiecesWriter that can have the system take bytes from the file that they were read from. It
// writes b if that is impossible.
type FileWriter interface {
	PiecesWriter
	WriteFrom(file io.ReaderAt, offset int64, b []byte) error
}

// A Writer gathers the bytes written to it. It is for one goroutine at a time. The first error stays.
type Writer struct {
	w      io.Writer
	vector PiecesWriter // w, if it is one
	sender FileWriter   // likewise
	buf    []byte       // copies of waiting bytes; never grows
	pieces [][]byte     // everything that waits, in order, without the end of buf
	placed []placed     // those of them that are in a file, too
	taken  int          // how much of buf is in pieces
	lent   int          // bytes of pieces that are not in buf
	err    error
}

// placed is a piece that was read from a file.
type placed struct {
	piece  int
	file   io.ReaderAt
	offset int64
}

// New returns a Writer that copies up to size bytes before it writes.
func New(w io.Writer, size int) *Writer {
	vector, _ := w.(PiecesWriter)
	sender, _ := w.(FileWriter)
	return &Writer{w: w, vector: vector, sender: sender, buf: make([]byte, 0, size)}
}

// Lends reports whether lent bytes are written from where they are, as they are to a PiecesWriter.
func (g *Writer) Lends() bool { return g.vector != nil }

// Lent returns how many of the waiting bytes will be written from where they are.
func (g *Writer) Lent() int { return g.lent }

// Write takes the bytes of b before it returns.
func (g *Writer) Write(b []byte) (int, error) {
	if len(g.buf)+len(b) > cap(g.buf) {
		_ = g.Flush() // stays
	}
	if len(b) > cap(g.buf) {
		g.write(b)
	} else {
		g.buf = append(g.buf, b...)
	}
	return len(b), g.err
}

// Lend is Write for bytes that do not change until the next Flush has returned. They are written from where they are
// if possible.
func (g *Writer) Lend(b []byte) error {
	if !g.Lends() {
		_, err := g.Write(b)
		return err
	}
	g.takeBuf()
	g.pieces = append(g.pieces, b)
	g.lent += len(b)
	return g.err
}

// leastSent is how many bytes are worth a system call of their own.
const leastSent = 16 << 10

// LendFrom is Lend for bytes that are in a file, at that offset, and may be taken from there until the reader of the
// output has read them.
func (g *Writer) LendFrom(file io.ReaderAt, offset int64, b []byte) error {
	if g.sender == nil || len(b) < leastSent {
		return g.Lend(b)
	}
	err := g.Lend(b)
	g.placed = append(g.placed, placed{len(g.pieces) - 1, file, offset})
	return err
}

// takeBuf makes the end of buf a piece.
func (g *Writer) takeBuf() {
	if g.taken < len(g.buf) {
		g.pieces = append(g.pieces, g.buf[g.taken:len(g.buf):len(g.buf)])
		g.taken = len(g.buf)
	}
}

// Flush writes everything that waits.
func (g *Writer) Flush() error {
	switch {
	case g.err != nil:
	case len(g.pieces) > 0:
		g.takeBuf()
		g.err = g.writePieces()
	case len(g.buf) > 0:
		g.write(g.buf)
	}
	clear(g.pieces)
	clear(g.placed)
	g.buf, g.pieces, g.placed, g.taken, g.lent = g.buf[:0], g.pieces[:0], g.placed[:0], 0, 0
	return g.err
}

// writePieces writes the pieces that are in a file from there, and those between them as they are.
func (g *Writer) writePieces() error {
	from := 0
	for _, p := range g.placed {
		if from < p.piece {
			if err := g.vector.WritePieces(g.pieces[from:p.piece]); err != nil {
				return err
			}
		}
		if err := g.sender.WriteFrom(p.file, p.offset, g.pieces[p.piece]); err != nil {
			return err
		}
		from = p.piece + 1
	}
	if from == len(g.pieces) {
		return nil
	}
	return g.vector.WritePieces(g.pieces[from:])
}

func (g *Writer) write(b []byte) {
	if g.err != nil {
		return
	}
	n, err := g.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	g.err = err
}
