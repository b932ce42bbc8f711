package store

import (
	"bytes"
	"context"

	"hc/lib/store/blockmap"
	"hc/lib/store/table"
	"hc/lib/store/treetable"
)

// compact merges tables where there are many.
func (b *coreBuilder) compact() error {
	var err error
	b.file.tree, err = compactLevels(b.file.tree, b.cp.store.options.tuning, func(refs []tableRef, _ bool) (tableRef, error) {
		tables, err := b.openLimited(refs, "tree", treetable.Schema)
		if err != nil {
			return tableRef{}, err
		}
		if err := b.makeFolder(); err != nil {
			return tableRef{}, err
		}
		return b.cp.merge(b.path("tree"), treetable.Schema, 0, func(w *table.Writer) error { return mergeTrees(b.cp.ctx, w, tables) })
	})
	if err != nil {
		return err
	}
	return b.compactRuns()
}

func (b *coreBuilder) compactRuns() (err error) {
	b.file.runs, err = compactLevels(b.file.runs, b.cp.store.options.tuning, func(refs []tableRef, oldest bool) (tableRef, error) {
		tables, err := b.openLimited(refs, "runs", blockmap.RunsSchema)
		if err != nil {
			return tableRef{}, err
		}
		defer b.cp.letGo(refs, b.path("runs"))
		return b.cp.merge(b.path("runs"), blockmap.RunsSchema, 0, func(w *table.Writer) error {
			out := blockmap.NewWriter(w)
			if err := mergeRuns(b.cp.ctx, tables, oldest, out.Add); err != nil {
				return err
			}
			return out.Flush()
		})
	})
	return err
}

func mergeTrees(ctx context.Context, w *table.Writer, tables []limited) error {
	var plain []*table.Table
	for _, t := range tables {
		if last := t.Last(); last != nil && bytes.Compare(last, blockmap.Key(t.limit)) >= 0 {
			return mergeLimited(ctx, w, tables)
		}
		plain = append(plain, t.Table)
	}
	return table.Merge(ctx, w, nil, plain...)
}

func (b *coreBuilder) openLimited(refs []tableRef, what string, schema table.Schema) ([]limited, error) {
	tables, err := b.cp.openAll(refs, b.path(what), schema)
	if err != nil {
		return nil, err
	}
	list := make([]limited, len(refs))
	for i := range refs {
		list[i] = limited{tables[i], refs[i].limit}
	}
	return list, nil
}
