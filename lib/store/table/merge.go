package table

import (
	"bytes"
	"context"
	"slices"
)

// Merge adds the rows of all tables to w, in order. If several have the same key, the one of the first table is taken:
// the newest table comes first. A row for which drop returns true is left out, together with the older ones of its key;
// drop may be nil, and must not keep its arguments. w is neither finished nor aborted. Memory is flat.
func Merge(ctx context.Context, w *Writer, drop func(key, value []byte) bool, newestFirst ...*Table) error {
	cursors := make([]*cursor, 0, len(newestFirst)) // newest first, each at its next row
	for _, t := range newestFirst {
		c := &cursor{table: t}
		ok, err := c.seek(ctx, nil)
		if err != nil {
			return t.failed(err)
		}
		if ok {
			cursors = append(cursors, c)
		}
	}
	if drop == nil && sparseOnly(w, cursors) {
		return mergeSparse(ctx, w, cursors)
	}
	var key []byte
	for len(cursors) > 0 {
		lowest := lowestCursor(cursors)
		if drop == nil && lowest.index == 0 && lowest.pageBelow(cursors) {
			var err error
			if cursors, err = passPage(ctx, w, cursors, lowest); err != nil {
				return err
			}
			continue
		}
		row := lowest.row()
		key = append(key[:0], row.Key...)
		if drop == nil || !drop(row.Key, row.Value) {
			if err := w.Add(row.Key, row.Value); err != nil {
				return err
			}
		}
		var err error
		if cursors, err = pass(ctx, cursors, key); err != nil {
			return err
		}
	}
	return nil
}

// lowestCursor returns the cursor with the lowest key, the newest of several. There are only a few cursors, so no heap.
func lowestCursor(cursors []*cursor) *cursor {
	lowest := cursors[0]
	for _, c := range cursors[1:] {
		if bytes.Compare(c.key, lowest.key) < 0 {
			lowest = c
		}
	}
	return lowest
}

// pageBelow reports whether the page of a cursor ends below the rows of all others, as is the case if tables do not
// overlap, such as those of a growing tree.
func (c *cursor) pageBelow(cursors []*cursor) bool {
	for _, other := range cursors {
		if other != c && c.at.compare(c.at.count-1, other.key) >= 0 {
			return false
		}
	}
	return true
}

// passPage adds all rows of the page that a cursor is at the beginning of, and moves it to the next one.
func passPage(ctx context.Context, w *Writer, cursors []*cursor, c *cursor) ([]*cursor, error) {
	if c.at.key == 0 {
		if err := w.AddFollowing(c.at.first, c.at.rows[:c.at.count*c.at.stride]); err != nil {
			return nil, err
		}
	}
	for i := 0; c.at.key > 0 && i < c.at.count; i++ {
		if err := w.Add(c.at.stored(i), c.at.value(i)); err != nil {
			return nil, err
		}
	}
	ok, err := c.nextPage(ctx)
	if err != nil {
		return nil, c.table.failed(err)
	}
	if !ok {
		cursors = slices.DeleteFunc(cursors, func(other *cursor) bool { return other == c })
	}
	return cursors, nil
}

// pass moves the cursors that are at key to their next row, and leaves out those that have none.
func pass(ctx context.Context, cursors []*cursor, key []byte) ([]*cursor, error) {
	left := cursors[:0]
	for _, c := range cursors {
		if bytes.Equal(c.key, key) {
			ok, err := c.next(ctx)
			if err != nil {
				return nil, c.table.failed(err)
			}
			if !ok {
				continue
			}
		}
		left = append(left, c)
	}
	return left, nil
}
