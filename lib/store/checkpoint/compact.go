package checkpoint

import (
	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/table"
	"hc/lib/store/treetable"
)

// compact merges tables if there are many.
func (b *coreBuilder) compact() error {
	var err error
	b.file.Tree, err = compactLevels(b.file.Tree, b.cp.limits, func(refs []derived.TableRef, _ bool) (derived.TableRef, error) {
		tables, err := b.openLimited(refs, "tree", treetable.Schema)
		if err != nil {
			return derived.TableRef{}, err
		}
		if err := b.makeFolder(); err != nil {
			return derived.TableRef{}, err
		}
		return b.cp.merge(b.path("tree"), treetable.Schema, 0, func(w *table.Writer) error { return derived.MergeTrees(b.cp.ctx, w, tables) })
	})
	if err != nil {
		return err
	}
	return b.compactRuns()
}

func (b *coreBuilder) compactRuns() (err error) {
	b.file.Runs, err = compactLevels(b.file.Runs, b.cp.limits, func(refs []derived.TableRef, oldest bool) (derived.TableRef, error) {
		tables, err := b.openLimited(refs, "runs", blockmap.RunsSchema)
		if err != nil {
			return derived.TableRef{}, err
		}
		defer b.cp.letGo(refs, b.path("runs"))
		return b.cp.merge(b.path("runs"), blockmap.RunsSchema, 0, func(w *table.Writer) error {
			out := blockmap.NewWriter(w)
			if err := derived.MergeRuns(b.cp.ctx, tables, oldest, out.Add); err != nil {
				return err
			}
			return out.Flush()
		})
	})
	return err
}

func (b *coreBuilder) openLimited(refs []derived.TableRef, what string, schema table.Schema) ([]derived.Limited, error) {
	tables, err := b.cp.openAll(refs, b.path(what), schema)
	if err != nil {
		return nil, err
	}
	list := make([]derived.Limited, len(refs))
	for i := range refs {
		list[i] = derived.Limited{Table: tables[i], Limit: refs[i].Limit}
	}
	return list, nil
}
