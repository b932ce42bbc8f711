package derived

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"hc/lib/store/blockmap"
	"hc/lib/store/table"
)

// MergeTrees adds to a table what tables of a tree, newest first, say: of each node what the newest does.
func MergeTrees(ctx context.Context, w *table.Writer, tables []Limited) error {
	var plain []*table.Table
	for _, t := range tables {
		if last := t.Last(); last != nil && bytes.Compare(last, blockmap.Key(t.Limit)) >= 0 {
			return mergeLimited(ctx, w, tables)
		}
		plain = append(plain, t.Table)
	}
	return table.Merge(ctx, w, nil, plain...)
}

// mergeLimited is MergeTrees where rows at or behind their table's limit do not count.
func mergeLimited(ctx context.Context, w *table.Writer, tables []Limited) error {
	for r, err := range mergedRows(ctx, tables) {
		if err != nil {
			return err
		}
		if err := w.Add(r.Key, r.Value); err != nil {
			return err
		}
	}
	return nil
}

// mergedRows gives the rows of tables, newest first, of each key the newest. A row is valid until the next one.
func mergedRows(ctx context.Context, tables []Limited) iter.Seq2[table.Row, error] {
	return func(yield func(table.Row, error) bool) {
		type source struct {
			next func() (table.Row, error, bool)
			row  table.Row
		}
		var sources []*source
		advance := func(s *source) (ok bool, err error) {
			s.row, err, ok = s.next()
			return ok && err == nil, err
		}
		for _, t := range tables {
			rows := limitedRows(ctx, t)
			if t.Limit == blockmap.NoLimit {
				rows = t.Scan(ctx, nil)
			}
			next, stop := iter.Pull2(rows)
			defer stop()
			s := &source{next: next}
			ok, err := advance(s)
			if err != nil {
				yield(table.Row{}, err)
				return
			}
			if ok {
				sources = append(sources, s)
			}
		}
		var key, value []byte
		for len(sources) > 0 {
			lowest := sources[0]
			for _, s := range sources[1:] {
				if bytes.Compare(s.row.Key, lowest.row.Key) < 0 {
					lowest = s
				}
			}
			key, value = append(key[:0], lowest.row.Key...), append(value[:0], lowest.row.Value...)
			if !yield(table.Row{Key: key, Value: value}, nil) {
				return
			}
			left := sources[:0]
			for _, s := range sources {
				ok := true
				if bytes.Equal(s.row.Key, key) {
					var err error
					if ok, err = advance(s); err != nil {
						yield(table.Row{}, err)
						return
					}
				}
				if ok {
					left = append(left, s)
				}
			}
			sources = left
		}
	}
}

// limitedRows gives the rows of a table below its limit.
func limitedRows(ctx context.Context, t Limited) iter.Seq2[table.Row, error] {
	limit := blockmap.Key(t.Limit)
	return func(yield func(table.Row, error) bool) {
		for row, err := range t.Scan(ctx, nil) {
			if err == nil && bytes.Compare(row.Key, limit) >= 0 {
				return
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// RunRows gives the rows of a table of runs, cut off at its limit.
func RunRows(ctx context.Context, t Limited) iter.Seq2[blockmap.Row, error] {
	return func(yield func(blockmap.Row, error) bool) {
		for r, err := range limitedRows(ctx, t) {
			if err != nil {
				yield(blockmap.Row{}, err)
				return
			}
			decoded, ok := blockmap.DecodeRow(r.Key, r.Value)
			if !ok {
				yield(blockmap.Row{}, fmt.Errorf("%w: a row of runs at %x", ErrDamaged, r.Key))
				return
			}
			if !yield(decoded.Part(decoded.First, t.Limit), nil) {
				return
			}
		}
	}
}

// MergeRuns calls emit for what tables of runs, newest first, say: of each block what the newest does. Rows of blocks that are not held are left
// out if nothing is older.
func MergeRuns(ctx context.Context, tables []Limited, oldest bool, emit func(blockmap.Row) error) error {
	type head struct {
		next func() (blockmap.Row, error, bool)
		row  blockmap.Row
	}
	advance := func(h *head) (bool, error) {
		r, err, ok := h.next()
		h.row = r
		return ok, err
	}
	var heads []*head // newest first, each on what is left of its row
	for _, t := range tables {
		next, stop := iter.Pull2(RunRows(ctx, t))
		defer stop()
		h := &head{next: next}
		ok, err := advance(h)
		if err != nil {
			return err
		}
		if ok {
			heads = append(heads, h)
		}
	}
	for len(heads) > 0 {
		first := heads[0]
		end := uint64(blockmap.NoLimit)
		for _, h := range heads[1:] {
			if h.row.First < first.row.First {
				first = h
			}
		}
		end = first.row.End()
		for _, h := range heads { // a newer one takes over where it begins
			if h == first {
				break
			}
			end = min(end, h.row.First)
		}
		piece := first.row.Part(first.row.First, end)
		if piece.Held() || !oldest {
			if err := emit(piece); err != nil {
				return err
			}
		}
		left := heads[:0]
		for _, h := range heads {
			ok := true
			for ok && h.row.End() <= end {
				var err error
				if ok, err = advance(h); err != nil {
					return err
				}
			}
			if !ok {
				continue
			}
			if h.row.First < end {
				h.row = h.row.Part(end, h.row.End())
			}
			left = append(left, h)
		}
		heads = left
	}
	return nil
}
