package positions

import (
	"bytes"
	"context"
	"encoding/binary"
	"iter"

	"hc/lib/store/packlog"
	"hc/lib/store/table"
)

// Reader goes through a table of positions along with an ascending series of others. Not for concurrent use.
type Reader struct {
	next func() (table.Row, error, bool)
	done func()
	key  []byte // nil: no more
}

// NewReader returns a Reader that begins with the first position at or after from. Stop must be called.
func NewReader(ctx context.Context, t *table.Table, from packlog.Position) (*Reader, error) {
	next, done := iter.Pull2(t.Scan(ctx, Key(from)))
	r := &Reader{next: next, done: done}
	if err := r.advance(); err != nil {
		done()
		return nil, err
	}
	return r, nil
}

// Stop releases the table.
func (r *Reader) Stop() { r.done() }

func (r *Reader) advance() error {
	row, err, ok := r.next()
	if !ok || err != nil {
		r.key = nil
		return err
	}
	r.key = append(r.key[:0], row.Key...)
	return nil
}

// Has reports whether the table has a position. passed, if not nil, is called with the packs of positions that were
// skipped since the last call.
func (r *Reader) Has(p packlog.Position, passed func(pack uint64)) (bool, error) {
	key := Key(p)
	for r.key != nil {
		switch bytes.Compare(r.key, key) {
		case 0:
			return true, r.advance()
		case 1:
			return false, nil
		}
		if passed != nil {
			passed(binary.BigEndian.Uint64(r.key))
		}
		if err := r.advance(); err != nil {
			return false, err
		}
	}
	return false, nil
}
