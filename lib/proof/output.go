package proof

import "io"

const (
	writeBuffer = maxRun  // bytes of lines, and of blocks that are copied, that wait before they are written
	leastLent   = 4 << 10 // bytes of a block that is worth a piece of its own
	mostLent    = 1 << 20 // bytes of those from which on they are written
)

// A PiecesWriter writes many pieces, one behind the other, from where they stand: all of them, or it returns an error. It may
// change the slice, but not the bytes. Where Write is given one, it writes each group at once, and copies no long block.
type PiecesWriter interface {
	WritePieces(pieces [][]byte) error
}

// An output gathers what is written into large writes. The first error stays, and comes with the next Flush.
type output struct {
	w      io.Writer
	vector PiecesWriter // w, if it is one
	buf    []byte       // what was copied of what waits; never grows
	pieces [][]byte     // all that waits, in order, but for the end of buf
	taken  int          // how much of buf is in pieces
	lent   int          // bytes of pieces that are not in buf
	err    error
}

func newOutput(w io.Writer) *output {
	vector, _ := w.(PiecesWriter)
	return &output{w: w, vector: vector, buf: make([]byte, 0, writeBuffer)}
}

// Write takes the bytes of b before it returns.
func (o *output) Write(b []byte) (int, error) {
	if len(o.buf)+len(b) > cap(o.buf) {
		_ = o.Flush() // stays
	}
	if len(b) > cap(o.buf) {
		o.write(b)
	} else {
		o.buf = append(o.buf, b...)
	}
	return len(b), o.err
}

// lend is Write for what stays where it is until the next Flush.
func (o *output) lend(b []byte) {
	if len(b) < leastLent || o.vector == nil {
		_, _ = o.Write(b) // stays
		return
	}
	o.takeBuf()
	o.pieces = append(o.pieces, b)
	if o.lent += len(b); o.lent >= mostLent {
		_ = o.Flush() // stays
	}
}

// takeBuf makes the end of buf a piece.
func (o *output) takeBuf() {
	if o.taken < len(o.buf) {
		o.pieces = append(o.pieces, o.buf[o.taken:len(o.buf):len(o.buf)])
		o.taken = len(o.buf)
	}
}

// Flush writes all that waits.
func (o *output) Flush() error {
	switch {
	case o.err != nil:
	case len(o.pieces) > 0:
		o.takeBuf()
		o.err = o.vector.WritePieces(o.pieces)
	case len(o.buf) > 0:
		o.write(o.buf)
	}
	clear(o.pieces)
	o.buf, o.pieces, o.taken, o.lent = o.buf[:0], o.pieces[:0], 0, 0
	return o.err
}

func (o *output) write(b []byte) {
	if o.err != nil {
		return
	}
	n, err := o.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	o.err = err
}
