package runs

import (
	"context"

	"hc/lib/store/packlog"
)

const (
	leastPiece = 4 << 10   // bytes of a block that is not copied: a piece costs about 50 bytes of bookkeeping, and access to two cache lines
	worthWrite = 512 << 10 // bytes of records that are better written than copied
)

// bufferOf returns an empty buffer for a run that begins with so many bytes.
func bufferOf(size int) []byte {
	if size <= MostBytes {
		return newBuffer()
	}
	return make([]byte, 0, size)
}

// keep copies all bytes of the run into its own memory.
func (j *runJob) keep() {
	if len(j.pieces) == 0 {
		return
	}
	if j.raw == nil {
		j.raw = bufferOf(j.meta.Raw)
	}
	for _, piece := range j.pieces {
		j.raw = append(j.raw, piece...)
	}
	clear(j.pieces)
	j.pieces = j.pieces[:0]
}

func (j *runJob) endsWithLF() bool {
	last := j.raw
	if n := len(j.pieces); n > 0 {
		last = j.pieces[n-1]
	}
	return len(last) > 0 && last[len(last)-1] == '\n'
}

// Keep releases all lent memory: it writes the bytes, if that is worth it, or copies them.
func (w *Writer) Keep(ctx context.Context) error {
	if w.current != nil {
		w.current.keep()
	}
	lent := 0
	for i := range w.batch {
		lent += piecesOf(&w.batch[i])
	}
	if lent >= worthWrite {
		if err := w.writeBatch(ctx); err != nil {
			return err
		}
	}
	for i := range w.batch {
		if r := &w.batch[i]; join(r) {
			w.spent = append(w.spent, r.Payload)
		}
	}
	for _, job := range w.queue {
		if !job.ready() {
			continue // it has its own bytes already
		}
		if before := job.record.Payload; join(&job.record) {
			recycle(before)
		}
	}
	return nil
}

// piecesOf returns how many bytes of a record are lent.
func piecesOf(r *packlog.Record) int { return r.Length() - len(r.Payload) }

// join copies the lent bytes of a record after its own, and reports whether it needed fresh memory for both.
func join(r *packlog.Record) (fresh bool) {
	size := r.Length()
	if size == len(r.Payload) {
		return false
	}
	payload := r.Payload
	if fresh = cap(payload) < size; fresh {
		payload = append(bufferOf(size), payload...)
	}
	for _, piece := range r.Pieces {
		payload = append(payload, piece...)
	}
	r.Payload, r.Pieces = payload, nil
	return fresh
}
