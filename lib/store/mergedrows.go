package store

import (
	"bytes"
	"context"
	"iter"

	"hc/lib/store/blockmap"
	"hc/lib/store/table"
)

// limitedAll gives tables whose rows all count.
func limitedAll(tables []*table.Table) []limited {
	list := make([]limited, len(tables))
	for i, t := range tables {
		list[i] = limited{t, blockmap.NoLimit}
	}
	return list
}

// mergedRows gives the rows of tables, newest first, of each key the newest. Of the index all rows count, whatever the limit.
func mergedRows(ctx context.Context, tables []limited) iter.Seq2[table.Row, error] {
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
			if t.limit == blockmap.NoLimit {
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
