package blockmap

import "hc/lib/store/table"

// Writer writes rows of runs, joining neighbours that can be one row.
type Writer struct {
	w    *table.Writer
	last Row // count 0: none
}

// NewWriter returns a Writer that adds to a table of runs.
func NewWriter(w *table.Writer) *Writer { return &Writer{w: w} }

// Add adds a row after all earlier ones. Flush must be called after the last one.
func (o *Writer) Add(r Row) error {
	if o.last.Count > 0 && o.last.End() == r.First && o.last.Kind == r.Kind && o.last.Count+r.Count < 1<<31 {
		next := o.last.Place
		next.At += uint32(o.last.Count)
		if r.Kind != Placed || next == r.Place {
			o.last.Count += r.Count
			return nil
		}
	}
	if err := o.Flush(); err != nil {
		return err
	}
	o.last = r
	return nil
}

// Flush writes the last row, which is held back because the next one might have been joined to it.
func (o *Writer) Flush() error {
	if o.last.Count == 0 {
		return nil
	}
	var value [8 + PlaceSize]byte
	err := o.w.Add(Key(o.last.First), o.last.AppendValue(value[:0]))
	o.last = Row{}
	return err
}
