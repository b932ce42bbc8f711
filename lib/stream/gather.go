package stream

import "io"

// writeBuffer is how many bytes a Writer gathers before it writes.
const writeBuffer = 256 << 10

// A PiecesWriter writes many pieces, one behind the other, from where they stand: all of them, or it returns an error. It may
// change the slice, but not the bytes.
type PiecesWriter interface {
	WritePieces(pieces [][]byte) error
}

// gather gathers what is written into large writes. What is lent to it is not copied, if w is a PiecesWriter.
type gather struct {
	w      io.Writer
	vector PiecesWriter // w, if it is one
	lends  bool         // what writeLent is given stays where it is until that ends
	buf    []byte       // what was copied of what waits
	pieces [][]byte     // all that waits, in order, but for the end of buf
	taken  int          // how much of buf is in pieces
}

func newGather(w io.Writer) *gather {
	vector, _ := w.(PiecesWriter)
	return &gather{w: w, vector: vector, buf: make([]byte, 0, writeBuffer)}
}

// lend says whether what writeLent is given from now on stays where it is until lend(false), which returns when all of that is
// written.
func (g *gather) lend(on bool) error {
	g.lends = on && g.vector != nil
	if on || len(g.pieces) == 0 {
		return nil
	}
	return g.flush()
}

// writeLent is write for what the caller lends.
func (g *gather) writeLent(b []byte) error {
	if !g.lends {
		return g.write(b)
	}
	g.takeBuf()
	g.pieces = append(g.pieces, b)
	return nil
}

// write takes the bytes of b before it returns.
func (g *gather) write(b []byte) error {
	if len(g.buf)+len(b) > writeBuffer {
		if err := g.flush(); err != nil {
			return err
		}
	}
	if len(b) > writeBuffer {
		return g.writeOut(b)
	}
	g.buf = append(g.buf, b...)
	return nil
}

// takeBuf makes the end of buf, which never grows beyond what it can hold, a piece.
func (g *gather) takeBuf() {
	if g.taken < len(g.buf) {
		g.pieces = append(g.pieces, g.buf[g.taken:len(g.buf):len(g.buf)])
		g.taken = len(g.buf)
	}
}

func (g *gather) flush() (err error) {
	switch {
	case len(g.pieces) > 0:
		g.takeBuf()
		err = g.vector.WritePieces(g.pieces)
	case len(g.buf) > 0:
		err = g.writeOut(g.buf)
	}
	clear(g.pieces)
	g.buf, g.pieces, g.taken = g.buf[:0], g.pieces[:0], 0
	return err
}

func (g *gather) writeOut(b []byte) error {
	n, err := g.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}
