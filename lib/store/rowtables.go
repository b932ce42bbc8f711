package store

import (
	"hc/lib/store/table"
)

// flushRows writes the rows gathered as a table.
func (b *coreBuilder) flushRows() error {
	if len(b.rows.rows) == 0 {
		return nil
	}
	number := b.cp.number()
	w, err := b.create(number, "runs", runsSchema)
	if err != nil {
		return err
	}
	defer w.Abort()
	out := rowWriter{w: w}
	for _, r := range b.rows.rows {
		if err := out.add(r); err != nil {
			return err
		}
	}
	if err := out.flush(); err != nil {
		return err
	}
	rows, err := w.Finish()
	if err != nil {
		return err
	}
	b.rows.rows = b.rows.rows[:0]
	b.file.runs = pushTable(b.file.runs, tableRef{level: b.cp.store.options.tuning.levelOf(rows), number: number, limit: noLimit})
	if b.cp.sparse {
		return b.compactRuns()
	}
	return nil
}

// rowWriter writes rows of runs, joining those that say the same of blocks that follow one another.
type rowWriter struct {
	w    *table.Writer
	last row // count 0: none
}

func (o *rowWriter) add(r row) error {
	if o.last.count > 0 && o.last.end() == r.first && o.last.kind == r.kind && o.last.count+r.count < 1<<31 {
		next := o.last.place
		next.At += uint32(o.last.count)
		if r.kind != rowPlaced || next == r.place {
			o.last.count += r.count
			return nil
		}
	}
	if err := o.flush(); err != nil {
		return err
	}
	o.last = r
	return nil
}

func (o *rowWriter) flush() error {
	if o.last.count == 0 {
		return nil
	}
	var value [8 + placeSize]byte
	err := o.w.Add(blockKey(o.last.first), o.last.appendValue(value[:0]))
	o.last = row{}
	return err
}
