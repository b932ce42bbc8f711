package table

import (
	"bytes"
	"context"
	"math"
	"slices"
)

// head is a cursor in a table that only has sparse pages, with the beginning of the key that it is at.
type head struct {
	*cursor
	prefix uint64
}

func newHead(c *cursor) head { return head{cursor: c, prefix: prefix(c.at.stored(c.index))} }

func (h *head) storedKey() []byte { return h.at.stored(h.index) }

// advance goes to the next row and reports whether there is one. It does not update the cursor's own key.
func (h *head) advance(ctx context.Context) (bool, error) {
	if h.index+1 < h.at.count {
		h.index++
	} else if ok, err := h.nextPage(ctx); err != nil || !ok {
		return false, h.table.failed(err)
	}
	h.prefix = prefix(h.storedKey())
	return true, nil
}

// sparseOnly reports whether w and all tables have the same schema, in which no page leaves out keys.
func sparseOnly(w *Writer, cursors []*cursor) bool {
	for _, c := range cursors {
		if c.table.schema != w.schema {
			return false
		}
	}
	return w.schema.denseRows() == 0
}

// mergeSparse adds the rows of all cursors, newest first, to w. Keys that are hashes differ in their first eight bytes:
// more is only compared if these are equal, and rows are copied as long as one table's are below those of all others.
func mergeSparse(ctx context.Context, w *Writer, cursors []*cursor) error {
	heads := make([]head, len(cursors))
	for i, c := range cursors {
		heads[i] = newHead(c)
	}
	for len(heads) > 0 {
		lowest, above := lowestHead(heads)
		var err error
		if above > heads[lowest].prefix || len(heads) == 1 {
			heads, err = passRows(ctx, w, heads, lowest, above)
		} else {
			heads, err = passKey(ctx, w, heads, lowest)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lowestHead returns the head with the lowest key, the newest of several, and the lowest prefix of all others.
func lowestHead(heads []head) (lowest int, above uint64) {
	above = math.MaxUint64
	for i := 1; i < len(heads); i++ {
		low, p := heads[lowest].prefix, heads[i].prefix
		if p < low || p == low && bytes.Compare(heads[i].storedKey(), heads[lowest].storedKey()) < 0 {
			lowest, p = i, low
		}
		above = min(above, p)
	}
	return lowest, above
}

// passRows adds the rows of one head that are below a prefix; all rows if it is the only head.
func passRows(ctx context.Context, w *Writer, heads []head, which int, above uint64) ([]head, error) {
	h := &heads[which]
	for h.prefix < above || len(heads) == 1 {
		if err := w.addStored(h.at.row(h.index)); err != nil {
			return nil, err
		}
		ok, err := h.advance(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			return slices.Delete(heads, which, which+1), nil
		}
	}
	return heads, nil
}

// passKey adds the row of one head, and moves all heads that are at its key.
func passKey(ctx context.Context, w *Writer, heads []head, which int) ([]head, error) {
	if err := w.addStored(heads[which].at.row(heads[which].index)); err != nil {
		return nil, err
	}
	left := heads[:0]
	for _, h := range heads {
		if bytes.Equal(h.storedKey(), w.last) {
			ok, err := h.advance(ctx)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
		}
		left = append(left, h)
	}
	return left, nil
}
