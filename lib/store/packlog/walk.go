package packlog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"syscall"
)

const (
	walkChunk    = 256 << 10 // bytes to read at once
	skipChunk    = 32 << 10  // the same, if payloads are skipped,
	skippedChunk = 4 << 10   // and after a payload that ended beyond what was read: usually the next one does, too
	sector       = 4096      // bytes to skip where the disk cannot read
)

func isBadSector(err error) bool { return errors.Is(err, syscall.EIO) }

// walker walks the records of one pack.
type walker struct {
	ctx      context.Context
	file     io.ReaderAt
	at       Position // of the next record
	limit    uint64   // bytes of the pack that count
	payloads bool

	buf   []byte // the file's bytes from start
	start uint64
}

// item is one record, or one damaged place.
type item struct {
	header  header
	record  Record // its bytes are valid until the next step
	damage  *DamageError
	payload bool // only the payload is damaged: header and record are good
}

// bytes returns n bytes at an offset, all below the limit. They are valid until the next call.
func (w *walker) bytes(offset uint64, n int) ([]byte, error) {
	if offset >= w.start && offset+uint64(n) <= w.start+uint64(len(w.buf)) {
		return w.buf[offset-w.start:][:n], nil
	}
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	chunk := walkChunk
	switch {
	case !w.payloads && offset > w.start+uint64(len(w.buf)):
		chunk = skippedChunk
	case !w.payloads:
		chunk = skipChunk
	}
	want := int(min(uint64(max(n, chunk)), w.limit-offset))
	if cap(w.buf) < want {
		w.buf = make([]byte, want)
	}
	got, err := w.file.ReadAt(w.buf[:want], int64(offset))
	w.buf, w.start = w.buf[:got], offset
	if got >= n {
		return w.buf[:n], nil
	}
	if err == nil || err == io.EOF {
		err = errShort
	}
	return nil, err
}

// header reads and checks header and meta at an offset, and also returns their bytes.
func (w *walker) header(at Position) (header, []byte, error) {
	if w.limit-at.Offset < recordHeader {
		return header{}, nil, errShort
	}
	b, err := w.bytes(at.Offset, recordHeader)
	if err != nil {
		return header{}, nil, err
	}
	h, err := decodeHeader(b, w.limit-at.Offset)
	if err != nil {
		return header{}, nil, err
	}
	if b, err = w.bytes(at.Offset, recordHeader+h.meta); err != nil {
		return header{}, nil, err
	}
	return h, b, h.check(at, b)
}

// next returns the next record or damaged place, io.EOF at the limit, or an error that is not due to the disk's
// content.
func (w *walker) next() (item, error) {
	if w.at.Offset >= w.limit {
		return item{}, io.EOF
	}
	at := w.at
	h, b, err := w.header(at)
	if err != nil {
		return w.damaged(err)
	}
	it := item{header: h, record: Record{Kind: h.kind, Append: h.append, Commit: h.commit, Position: at, PayloadLen: h.payload}}
	if w.payloads || h.payload == 0 {
		b, err = w.bytes(at.Offset, int(h.size()))
		if err == nil {
			err = h.checkPayload(at, b[recordHeader+h.meta:])
		}
		switch {
		case err != nil && !isInvalid(err):
			return item{}, err
		case err != nil:
			it.damage, it.payload = &DamageError{Position: at, Length: h.size(), Reason: err, Known: true}, true
			w.at.Offset += h.size()
			return it, nil
		}
		it.record.Payload = b[recordHeader+h.meta:][:h.payload]
	}
	it.record.Meta = b[recordHeader:][:h.meta]
	w.at.Offset += h.size()
	return it, nil
}

// isInvalid distinguishes bytes that are no record, or that the disk cannot read, from other failures to read.
func isInvalid(err error) bool {
	for _, reason := range []error{errMagic, errFields, errLimit, errShort, errChecksum, errPayload, errSynced, errSeal} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return isBadSector(err)
}

// damaged skips bytes that are no record, up to the next valid header and meta.
func (w *walker) damaged(reason error) (item, error) {
	if !isInvalid(reason) {
		return item{}, reason
	}
	at := w.at
	offset, err := w.resume(at.Offset + 8)
	if err != nil {
		return item{}, err
	}
	w.at.Offset = offset
	return item{damage: &DamageError{Position: at, Length: offset - at.Offset, Reason: reason}}, nil
}

// resume returns the offset of the first valid header at or after an offset, or the limit.
func (w *walker) resume(offset uint64) (uint64, error) {
	for offset < w.limit && w.limit-offset >= recordHeader {
		b, err := w.bytes(offset, int(min(skipChunk, w.limit-offset)))
		if err != nil {
			if !isInvalid(err) {
				return 0, err
			}
			if b = w.buf; len(b) < recordHeader || w.start != offset {
				offset = (offset/sector + 1) * sector
				continue
			}
		}
		i := bytes.Index(b, []byte(recordMagic))
		if i < 0 {
			offset += uint64(len(b)-len(recordMagic)+1) &^ 7
			continue
		}
		if offset += uint64(i); offset%8 != 0 {
			offset = (offset + 7) &^ 7
			continue
		}
		if w.limit-offset < recordHeader {
			break
		}
		_, _, err = w.header(Position{Pack: w.at.Pack, Offset: offset, ID: w.at.ID})
		if err == nil {
			return offset, nil
		}
		if !isInvalid(err) {
			return 0, err
		}
		offset += 8
	}
	return w.limit, nil
}
