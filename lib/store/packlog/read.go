package packlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// ifGone turns a file that is not there into ErrMoved.
func (l *Log) ifGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		l.forget()
		return fmt.Errorf("%w: %w", ErrMoved, err)
	}
	return err
}

// Current reports whether a position lies in the newest generation of its pack, and not behind a close, as far as this
// process knows. Only Begin, View and a failed read look at the folder again: while a caller holds the lock "use", what
// Begin saw stays true.
func (l *Log) Current(at Position) bool {
	c := l.known()
	return c != nil && c.at(at) != nil
}

// at returns the extent in which records at a position count.
func (c *chain) at(p Position) *extent {
	e := c.find(p.Pack)
	if e == nil || e.bad != nil || e.info.sequence != p.Pack || e.info.id != p.ID || p.Offset < packHeader || p.Offset%8 != 0 || p.Offset >= e.limit {
		return nil
	}
	return e
}

// ReadRecord returns the record at a position, payload included, all checked; the caller owns it. Records that are not
// readable yet can be read by who wrote them. The error is a *DamageError if the record is not valid, ErrMoved if
// the position is not current.
func (l *Log) ReadRecord(ctx context.Context, at Position) (Record, error) {
	it, b, err := l.readAt(ctx, at, true)
	if err != nil {
		return Record{}, err
	}
	meta := recordHeader + it.meta
	return Record{
		Kind:       it.kind,
		Append:     it.append,
		Commit:     it.commit,
		Position:   at,
		Meta:       b[recordHeader:meta:meta],
		Payload:    b[meta : meta+it.payload : meta+it.payload],
		PayloadLen: it.payload,
	}, nil
}

// ReadMeta is ReadRecord without the payload, which is neither read nor checked.
func (l *Log) ReadMeta(ctx context.Context, at Position) (Record, error) {
	it, b, err := l.readAt(ctx, at, false)
	if err != nil {
		return Record{}, err
	}
	return Record{
		Kind:       it.kind,
		Append:     it.append,
		Commit:     it.commit,
		Position:   at,
		Meta:       b[recordHeader : recordHeader+it.meta : recordHeader+it.meta],
		PayloadLen: it.payload,
	}, nil
}

// ReadPayload returns the payload of the record at a position, as ReadRecord does.
func (l *Log) ReadPayload(ctx context.Context, at Position) ([]byte, error) {
	r, err := l.ReadRecord(ctx, at)
	return r.Payload, err
}

func (l *Log) readAt(ctx context.Context, at Position, payload bool) (header, []byte, error) {
	if err := ctx.Err(); err != nil {
		return header{}, nil, err
	}
	c, err := l.current(ctx)
	if err != nil {
		return header{}, nil, err
	}
	e := c.at(at)
	if e == nil {
		if c, err = l.load(ctx); err != nil {
			return header{}, nil, err
		}
		if e = c.at(at); e == nil {
			return header{}, nil, fmt.Errorf("position %v: %w", at, ErrMoved)
		}
	}
	pack, err := l.takeFile(e.name)
	if err != nil {
		return header{}, nil, l.ifGone(err)
	}
	defer l.giveFile(pack)
	size, err := pack.file.Size()
	if err != nil {
		return header{}, nil, err
	}
	room := uint64(0)
	if end := min(uint64(size), e.limit); end > at.Offset {
		room = end - at.Offset
	}
	h, b, err := readRecord(pack.file, at, room, payload)
	if isInvalid(err) {
		d := &DamageError{Position: at, Length: h.size(), Reason: err, Known: true} // to who named the position
		l.report(d)
		return header{}, nil, d
	}
	return h, b, err
}

const firstRead = 4096 // bytes of a record that are read at once, in the hope that it is small

// readRecord reads and checks one record, whole or without its payload; room is how many bytes there are for it.
func readRecord(file io.ReaderAt, at Position, room uint64, payload bool) (header, []byte, error) {
	if room < recordHeader {
		return header{}, nil, errShort
	}
	b := make([]byte, min(firstRead, room))
	if err := readFull(file, b, at.Offset); err != nil {
		return header{}, nil, err
	}
	h, err := decodeHeader(b, room)
	if err != nil {
		return header{}, nil, err
	}
	n := int(h.size())
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
