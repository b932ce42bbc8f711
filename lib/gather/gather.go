// Package gather makes large writes of what is written in small pieces: short ones are copied, long ones may go out from where they
// stand.
package gather

import "io"

// A PiecesWriter writes many pieces, one behind the other, from where they stand: all of them, or it returns an error. It may
// change the slice, but not the bytes.
type PiecesWriter interface {
	WritePieces(pieces [][]byte) error
}

// A Writer gathers what is written to it. It is for one goroutine at a time. The first error stays.
type Writer struct {
	w      io.Writer
	vector PiecesWriter // w, if it is one
	buf    []byte       // what was copied of what waits; never grows
	pieces [][]byte     // all that waits, in order, but for the end of buf
	taken  int          // how much of buf is in pieces
	lent   int          // bytes of pieces that are not in buf
	err    error
}

// New returns a Writer that copies as many bytes as size before it writes.
func New(w io.Writer, size int) *Writer {
	vector, _ := w.(PiecesWriter)
	return &Writer{w: w, vector: vector, buf: make([]byte, 0, size)}
}

// Lends reports whether what is lent is written from where it is, which it is to a PiecesWriter.
func (g *Writer) Lends() bool { return g.vector != nil }

// Lent returns how many bytes wait that are written from where they are.
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

// Lend is Write for what stays where it is until the next Flush has returned. It is written from there if that is possible.
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

// takeBuf makes the end of buf a piece.
func (g *Writer) takeBuf() {
	if g.taken < len(g.buf) {
		g.pieces = append(g.pieces, g.buf[g.taken:len(g.buf):len(g.buf)])
		g.taken = len(g.buf)
	}
}

// Flush writes all that waits.
func (g *Writer) Flush() error {
	switch {
	case g.err != nil:
	case len(g.pieces) > 0:
		g.takeBuf()
		g.err = g.vector.WritePieces(g.pieces)
	case len(g.buf) > 0:
		g.write(g.buf)
	}
	clear(g.pieces)
	g.buf, g.pieces, g.taken, g.lent = g.buf[:0], g.pieces[:0], 0, 0
	return g.err
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
