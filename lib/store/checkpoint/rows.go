package checkpoint

import (
	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
)

// flushRows writes the gathered rows as a table.
func (b *coreBuilder) flushRows() error {
	if len(b.rows) == 0 {
		return nil
	}
	number := b.cp.number()
	w, err := b.create(number, "runs", blockmap.RunsSchema)
	if err != nil {
		return err
	}
	defer w.Abort()
	out := blockmap.NewWriter(w)
	for _, r := range b.rows {
		if err := out.Add(r); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	rows, err := w.Finish()
	if err != nil {
		return err
	}
	b.rows = b.rows[:0]
	b.file.Runs = pushTable(b.file.Runs, derived.TableRef{Level: b.cp.limits.levelOf(rows), Number: number, Limit: blockmap.NoLimit})
	if b.cp.sparse {
		return b.compactRuns()
	}
	return nil
}
