package packlog

const (
	flushSize     = 1 << 20 // bytes of a batch to write at once
	copyPayload   = 4 << 10 // bytes; longer ones are written from where they are
	writebackSize = 8 << 20 // bytes to write before writeback is started
)

// packWriter writes records one after another into a pack, gathering small ones.
type packWriter struct {
	file    File
	disk    *diskCache
	at      Position // of the next record
	buf     []byte   // gathered bytes that are not written yet
	pieces  [][]byte // everything that is not written yet, in order, except the end of buf
	taken   int      // how much of buf is in pieces
	waiting int      // bytes that are not written yet
	lent    bool     // some of them belong to a record
	begun   uint64   // offset up to which writeback has been started
	written uint64   // offset of the first byte that is not written yet
}

func (l *Log) newPackWriter(file File, at Position, buf []byte) *packWriter {
	return &packWriter{file: file, disk: l.disk, at: at, buf: buf[:0], begun: at.Offset, written: at.Offset}
}

// add is done with the record's bytes when it returns.
func (w *packWriter) add(r *Record, synced Position) error {
	if err := w.put(r, synced); err != nil || !w.lent {
		return err
	}
	return w.flush()
}

// put is add for a record whose bytes do not change until the next flush has returned.
func (w *packWriter) put(r *Record, synced Position) error {
	before := len(w.buf)
	w.buf = appendHeader(w.buf, w.at, r, synced)
	w.waiting += len(w.buf) - before
	w.putPayload(r.Payload)
	for _, piece := range r.Pieces {
		w.putPayload(piece)
	}
	pad := padding(recordHeader + len(r.Meta) + r.Length())
	w.buf = append(w.buf, zeros[:pad]...)
	w.waiting += pad
	w.at.Offset += recordSize(r)
	if w.waiting >= flushSize {
		return w.flush()
	}
	return nil
}

func (w *packWriter) putPayload(b []byte) {
	w.waiting += len(b)
	if len(b) <= copyPayload {
		w.buf = append(w.buf, b...)
		return
	}
	w.takeBuf()
	w.pieces, w.lent = append(w.pieces, b), true
}

// takeBuf makes the end of buf a piece. If buf moves when it grows, pieces keep the old memory.
func (w *packWriter) takeBuf() {
	if w.taken < len(w.buf) {
		w.pieces = append(w.pieces, w.buf[w.taken:len(w.buf):len(w.buf)])
		w.taken = len(w.buf)
	}
}

func (w *packWriter) flush() error {
	w.takeBuf()
	if w.waiting == 0 {
		return nil
	}
	err := writePieces(w.file, w.pieces, int64(w.written))
	w.written += uint64(w.waiting)
	clear(w.pieces)
	w.buf, w.pieces, w.taken, w.waiting, w.lent = w.buf[:0], w.pieces[:0], 0, 0, false
	if err != nil {
		return err
	}
	w.setToWork(writebackSize)
	return nil
}

// setToWork starts writeback if at least so many bytes are written for which it has not been started.
func (w *packWriter) setToWork(least uint64) {
	if n := w.written - w.begun; n >= least {
		w.file.StartWriteback(int64(w.begun), int64(n))
		w.begun = w.written
		w.disk.give(n)
	}
}

// piecesWriter is a File that writes many pieces, one after another, in one call.
type piecesWriter interface {
	WritePiecesAt(pieces [][]byte, offset int64) error
}

func writePieces(file File, pieces [][]byte, offset int64) error {
	if f, ok := file.(piecesWriter); ok && len(pieces) > 1 {
		return f.WritePiecesAt(pieces, offset)
	}
	for _, piece := range pieces {
		if _, err := file.WriteAt(piece, offset); err != nil {
			return err
		}
		offset += int64(len(piece))
	}
	return nil
}
