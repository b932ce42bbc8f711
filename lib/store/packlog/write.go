package packlog

const (
	flushSize     = 1 << 20  // bytes of a batch that are written at once
	copyPayload   = 64 << 10 // bytes; larger payloads are written from where they are
	writebackSize = 8 << 20  // bytes that are written before the disk is set to work
)

// packWriter writes records one behind the other into a pack, gathering small ones.
type packWriter struct {
	file    File
	at      Position // of the next record
	buf     []byte   // not written yet
	begun   uint64   // offset up to which writeback has been started
	written uint64   // offset of buf
}

func newPackWriter(file File, at Position, buf []byte) *packWriter {
	return &packWriter{file: file, at: at, buf: buf[:0], begun: at.Offset, written: at.Offset}
}

// add takes the record's bytes before it returns.
func (w *packWriter) add(r *Record, synced Position) error {
	size := recordSize(r)
	w.buf = appendHeader(w.buf, w.at, r, synced)
	if len(r.Payload) <= copyPayload {
		w.buf = append(w.buf, r.Payload...)
	} else {
		if err := w.flush(); err != nil {
			return err
		}
		if err := w.write(r.Payload); err != nil {
			return err
		}
	}
	w.buf = append(w.buf, zeros[:padding(recordHeader+len(r.Meta)+len(r.Payload))]...)
	w.at.Offset += size
	if len(w.buf) >= flushSize {
		return w.flush()
	}
	return nil
}

func (w *packWriter) write(b []byte) error {
	if _, err := w.file.WriteAt(b, int64(w.written)); err != nil {
		return err
	}
	w.written += uint64(len(b))
	if n := w.written - w.begun; n >= writebackSize {
		w.file.StartWriteback(int64(w.begun), int64(n))
		w.begun = w.written
	}
	return nil
}

func (w *packWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	err := w.write(w.buf)
	w.buf = w.buf[:0]
	return err
}
