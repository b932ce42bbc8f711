package table

import (
	"bytes"
	"context"
)

// Merge adds the rows of all tables to w, in order. Of rows with the same key the one of the first table that has it is
// taken: the newest table comes first. A row for which drop returns true is left out, and the older ones with its key with
// it; drop may be nil, and must not keep its arguments. w is neither finished nor aborted. Memory is flat.
func Merge(ctx context.Context, w *Writer, drop func(key, value []byte) bool, newestFirst ...*Table) error {
	cursors := make([]*cursor, 0, len(newestFirst)) // newest first, each on its next row
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
	var key []byte
	for len(cursors) > 0 {
		row := lowestRow(cursors)
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

// lowestRow returns the row with the lowest key, the newest of several. There are a few cursors at most, so no heap.
func lowestRow(cursors []*cursor) Row {
	lowest := cursors[0]
	for _, c := range cursors[1:] {
		if bytes.Compare(c.key, lowest.key) < 0 {
			lowest = c
		}
	}
	return lowest.row()
}

// pass moves the cursors that stand on key to their next row, and leaves out those that have none.
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
