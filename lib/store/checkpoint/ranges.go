package checkpoint

import (
	"encoding/binary"

	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/table"
)

// finishRanges brings the ranges of held blocks up to date.
func (b *coreBuilder) finishRanges() error {
	if len(b.added) == 0 && len(b.removed) == 0 {
		return nil
	}
	var inline []blockmap.Range
	var w *table.Writer
	number := uint64(0)
	add := func(r blockmap.Range) error {
		var value [8]byte
		binary.BigEndian.PutUint64(value[:], r.End)
		return w.Add(blockmap.Key(r.First), value[:])
	}
	err := blockmap.MergeRanges(b.base.AllRanges(b.cp.ctx), b.removed, b.added, func(r blockmap.Range) error {
		if w != nil {
			return add(r)
		}
		if inline = append(inline, r); len(inline) <= derived.MostInline {
			return nil
		}
		number = b.cp.number()
		var err error
		if w, err = b.create(number, "ranges", blockmap.RangesSchema); err != nil {
			return err
		}
		for _, r := range inline {
			if err := add(r); err != nil {
				return err
			}
		}
		inline = nil
		return nil
	})
	if w != nil {
		defer w.Abort()
		if err == nil {
			_, err = w.Finish()
		}
	}
	b.file.Ranges, b.file.RangesFile = inline, number
	return err
}
