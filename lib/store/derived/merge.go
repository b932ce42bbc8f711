package derived

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"hc/lib/store/blockmap"
	"hc/lib/store/table"
)

// MergeTrees adds the rows of a tree's tables, which are given newest first, to w: the newest row of each node.
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

// mergeLimited is MergeTrees for tables with rows at or above their limits, which do not count.
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

// mergedRows yields the rows of tables, given newest first: the newest row of each key. A row is valid until the next
// one.
func mergedRows(ctx context.Context, tables []Limited) iter.Seq2[table.Row, error] {
	return func(yield func(table.Row, error) bool) {
		sources, stop, err := pull(tables, func(t Limited) iter.Seq2[table.Row, error] {
			if t.Limit == blockmap.NoLimit { // keys need not be numbers then
				return t.Scan(ctx, nil)
			}
			return limitedRows(ctx, t)
		})
		defer stop()
		var key, value []byte
		for err == nil && len(sources) > 0 {
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
			sources, err = advance(sources, func(s *source[table.Row]) (bool, error) {
				if !bytes.Equal(s.row.Key, key) {
					return true, nil
				}
				return s.next()
			})
		}
		if err != nil {
			yield(table.Row{}, err)
		}
	}
}

// limitedRows yields the rows of a table below its limit.
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

// RunRows yields the rows of a table of runs, cut off at its limit.
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

// MergeRuns calls emit for the rows of tables of runs, given newest first: for each block the newest. With oldest,
// nothing older exists, and rows of blocks that are not held are left out.
func MergeRuns(ctx context.Context, tables []Limited, oldest bool, emit func(blockmap.Row) error) error {
	sources, stop, err := pull(tables, func(t Limited) iter.Seq2[blockmap.Row, error] { return RunRows(ctx, t) })
	defer stop()
	for err == nil && len(sources) > 0 {
		piece := firstPiece(sources)
		if piece.Held() || !oldest {
			if err := emit(piece); err != nil {
				return err
			}
		}
		sources, err = advance(sources, func(s *source[blockmap.Row]) (bool, error) { return goBehind(s, piece.End()) })
	}
	return err
}

// firstPiece returns the first row among those of the sources, given newest first, cut off where a newer one begins.
func firstPiece(sources []*source[blockmap.Row]) blockmap.Row {
	first := 0
	for i, s := range sources {
		if s.row.First < sources[first].row.First {
			first = i
		}
	}
	row := sources[first].row
	end := row.End()
	for _, newer := range sources[:first] {
		end = min(end, newer.row.First)
	}
	return row.Part(row.First, end)
}

// goBehind moves a source to its rows for blocks from end on; ok is false if there are none.
func goBehind(s *source[blockmap.Row], end uint64) (ok bool, err error) {
	for s.row.End() <= end {
		if ok, err := s.next(); !ok || err != nil {
			return false, err
		}
	}
	if s.row.First < end {
		s.row = s.row.Part(end, s.row.End())
	}
	return true, nil
}

// source is a table, at one of its rows, that is read along with others.
type source[T any] struct {
	pull func() (T, error, bool)
	row  T
}

// next moves to the next row; ok is false if there is none.
func (s *source[T]) next() (ok bool, err error) {
	s.row, err, ok = s.pull()
	return ok && err == nil, err
}

// pull returns the tables that have a row, each at its first. stop must be called, even after an error.
func pull[T any](tables []Limited, rows func(Limited) iter.Seq2[T, error]) (sources []*source[T], stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, stop := range stops {
			stop()
		}
	}
	for _, t := range tables {
		next, stopOne := iter.Pull2(rows(t))
		stops = append(stops, stopOne)
		sources = append(sources, &source[T]{pull: next})
	}
	sources, err = advance(sources, (*source[T]).next)
	return sources, stop, err
}

// advance moves all sources with on, which reports whether they have a row, and returns those that do.
func advance[T any](sources []*source[T], on func(*source[T]) (bool, error)) ([]*source[T], error) {
	left := sources[:0]
	for _, s := range sources {
		ok, err := on(s)
		if err != nil {
			return nil, err
		}
		if ok {
			left = append(left, s)
		}
	}
	return left, nil
}
