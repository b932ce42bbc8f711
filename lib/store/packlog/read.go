package packlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// ifGone turns the error for a file that does not exist into ErrMoved.
func (l *Log) ifGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		l.forget()
		return fmt.Errorf("%w: %w", ErrMoved, err)
	}
	return err
}

// Current reports whether a position is in the newest generation of its pack, and not voided by a close, as far as this
// process knows. Only Begin, View and a failed read look at the folder again: while a caller holds the lock "use", what
// Begin saw stays true.
func (l *Log) Current(at Position) bool {
	c := l.known()
	return c != nil && c.at(at) != nil
}

// at returns the extent in which the record at a position counts, nil if it does not.
func (c *chain) at(p Position) *extent {
	e := c.find(p.Pack)
	if e == nil || e.bad != nil || e.info.sequence != p.Pack || e.info.id != p.ID || p.Offset < packHeader || p.Offset%8 != 0 || p.Offset >= e.limit {
		return nil
	}
	return e
}

// ReadRecord returns the record at a position, payload included, all checked; the caller owns it. A record that is not
// readable yet can be read by the process that wrote it. The error is a *DamageError if the record is not valid,
// ErrMoved if the position is not current.
func (l *Log) ReadRecord(ctx context.Context, at Position) (Record, error) {
	return l.readAt(ctx, at, wholeRecord)
}

// ReadMeta is ReadRecord without the payload, which is neither read nor checked.
func (l *Log) ReadMeta(ctx context.Context, at Position) (Record, error) {
	return l.readAt(ctx, at, onlyMeta)
}

// ReadShort is ReadRecord if the first read brings the whole record, else ReadMeta: then the payload is nil, and
// [Log.AppendPayload] reads it into its final place.
func (l *Log) ReadShort(ctx context.Context, at Position) (Record, error) {
	return l.readAt(ctx, at, wholeIfShort)
}

// ReadPayload returns the payload of the record at a position, as ReadRecord does.
func (l *Log) ReadPayload(ctx context.Context, at Position) ([]byte, error) {
	r, err := l.ReadRecord(ctx, at)
	return r.Payload, err
}

// AppendPayload appends the payload of a record that was read by [Log.ReadMeta] or ReadRecord to b, checked as by
// ReadRecord. If b has room for it and 7 bytes more, it is read into b directly, and nothing is allocated or copied. On
// an error b is as before, except for the bytes after its end. The log keeps no reference to b.
func (l *Log) AppendPayload(ctx context.Context, of Payload, b []byte) ([]byte, error) {
	n := len(b)
	b = slices.Grow(b, of.padded())
	err := l.readIn(ctx, of.at, func(file io.ReaderAt, room uint64) (length uint64, err error) {
		length = uint64(of.before + of.padded())
		if length > room {
			return length, errShort
		}
		padded := b[n : n+of.padded()]
		if err := readFull(file, padded, of.at.Offset+uint64(of.before)); err != nil {
			return length, err
		}
		return length, of.check(padded)
	})
	if err != nil {
		return b[:n], err
	}
	return b[:n+of.length], nil
}

// File returns the file that a payload is in, and its offset there; nil if that is unknown. The log may close the file
// at any time, after which reads from it fail.
func (l *Log) File(ctx context.Context, of Payload) (pack io.ReaderAt, offset int64) {
	_ = l.readIn(ctx, of.at, func(file io.ReaderAt, _ uint64) (uint64, error) {
		pack = file
		return 0, nil
	})
	return pack, int64(of.at.Offset) + int64(of.before)
}

func (l *Log) readAt(ctx context.Context, at Position, wanted extentOfRead) (r Record, err error) {
	var h header
	var b []byte
	err = l.readIn(ctx, at, func(file io.ReaderAt, room uint64) (uint64, error) {
		h, b, err = readRecord(file, at, room, wanted)
		return h.size(), err
	})
	if err != nil {
		return Record{}, err
	}
	meta := recordHeader + h.meta
	r = Record{
		Kind:       h.kind,
		Append:     h.append,
		Commit:     h.commit,
		Position:   at,
		Meta:       b[recordHeader:meta:meta],
		PayloadLen: h.payload,
		Stored:     h.stored(at),
	}
	if wanted != onlyMeta && len(b) == int(h.size()) {
		r.Payload = b[meta : meta+h.payload : meta+h.payload]
	}
	return r, nil
}

// readIn calls read for the pack that a position is in. room is how many bytes the pack has from there on, length the
// size of the record. What read finds invalid is damage.
func (l *Log) readIn(ctx context.Context, at Position, read func(file io.ReaderAt, room uint64) (length uint64, err error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := l.current(ctx)
	if err != nil {
		return err
	}
	e := c.at(at)
	if e == nil {
		if c, err = l.load(ctx); err != nil {
			return err
		}
		if e = c.at(at); e == nil {
			return fmt.Errorf("position %v: %w", at, ErrMoved)
		}
	}
	pack, err := l.takeFile(e.name)
	if err != nil {
		return l.ifGone(err)
	}
	defer l.giveFile(pack)
	size, err := pack.file.Size()
	if err != nil {
		return err
	}
	room := uint64(0)
	if end := min(uint64(size), e.limit); end > at.Offset {
		room = end - at.Offset
	}
	length, err := read(pack.file, room)
	if isInvalid(err) && l.isVoided(ctx, at) {
		return fmt.Errorf("position %v: %w", at, ErrMoved)
	}
	if isInvalid(err) {
		d := &DamageError{Position: at, Length: length, Reason: err, Known: true} // known to whoever named the position
		l.report(d)
		return d
	}
	return err
}

// isVoided reports whether a position has stopped counting since the folder was read: its bytes may have been cut off.
func (l *Log) isVoided(ctx context.Context, at Position) bool {
	c, err := l.load(ctx)
	return err == nil && c.voids(at)
}

// voids reports whether a position does not count: a close voids it, or its pack was rewritten.
func (c *chain) voids(at Position) bool {
	e := c.find(at.Pack)
	return e == nil || e.bad == nil && (e.info.sequence != at.Pack || e.info.id != at.ID || at.Offset >= e.limit)
}

const firstRead = 4096 // bytes of a record to read first, in the hope that it is small

// extentOfRead says how much of a record is wanted.
type extentOfRead int

const (
	onlyMeta     extentOfRead = iota // header and meta
	wholeIfShort                     // all, if the first read brings it, else header and meta
	wholeRecord
)

// readRecord reads and checks one record, as far as wanted; room is how many bytes there are for it.
func readRecord(file io.ReaderAt, at Position, room uint64, wanted extentOfRead) (header, []byte, error) {
	if room < recordHeader {
		return header{}, nil, errShort
	}
	b := make([]byte, min(firstRead, room))
	have, err := file.ReadAt(b, int64(at.Offset))
	if have < len(b) && err != io.EOF {
		return header{}, nil, err
	}
	if have < recordHeader {
		return header{}, nil, errShort
	}
	b = b[:have] // less than there was room for: bytes after the record, which never counted, were cut off in the meantime
	h, err := decodeHeader(b, room)
	if err != nil {
		return header{}, nil, err
	}
	n := int(h.size())
	payload := wanted == wholeRecord || wanted == wholeIfShort && n <= len(b)
	if !payload {
		n = recordHeader + h.meta
	}
	if n > len(b) {
		whole := make([]byte, n)
		rest := whole[copy(whole, b):]
		if err := readFull(file, rest, at.Offset+uint64(len(b))); err != nil {
			return header{}, nil, err
		}
		b = whole
	} else {
		b = b[:n]
	}
	if err := h.check(at, b); err != nil {
		return header{}, nil, err
	}
	if !payload {
		return h, b, nil
	}
	if err := h.checkPayload(at, b[recordHeader+h.meta:]); err != nil {
		return h, nil, err
	}
	return h, b, nil
}

func readFull(file io.ReaderAt, b []byte, offset uint64) error {
	n, err := file.ReadAt(b, int64(offset))
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		return errShort
	}
	return err
}
