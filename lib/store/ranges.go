package store

import (
	"encoding/binary"
	"iter"
	"slices"
	"sort"

	"hc/lib/store/table"
)

// finishRanges brings the ranges of held blocks up to date.
func (b *coreBuilder) finishRanges() error {
	if len(b.added) == 0 && len(b.removed) == 0 {
		return nil
	}
	var inline []blockRange
	var w *table.Writer
	number := uint64(0)
	add := func(r blockRange) error {
		var value [8]byte
		binary.BigEndian.PutUint64(value[:], r.end)
		return w.Add(blockKey(r.first), value[:])
	}
	err := mergeRanges(b.baseRanges(), b.removed, b.added, func(r blockRange) error {
		if w != nil {
			return add(r)
		}
		if inline = append(inline, r); len(inline) <= inlineRanges {
			return nil
		}
		number = b.cp.number()
		var err error
		if w, err = b.create(number, "ranges", rangesSchema); err != nil {
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
	b.file.ranges, b.file.rangesFile = inline, number
	return err
}

func (b *coreBuilder) baseRanges() iter.Seq2[blockRange, error] {
	return func(yield func(blockRange, error) bool) {
		if b.base == nil {
			return
		}
		if b.base.ranges == nil {
			for _, r := range b.base.file.ranges {
				if !yield(r, nil) {
					return
				}
			}
			return
		}
		for row, err := range b.base.ranges.Scan(b.cp.ctx, nil) {
			if err != nil {
				yield(blockRange{}, err)
				return
			}
			if !yield(blockRange{binary.BigEndian.Uint64(row.Key), binary.BigEndian.Uint64(row.Value)}, nil) {
				return
			}
		}
	}
}

// mergeRanges calls emit for the ranges of base without removed, and with added: ascending, and joined where they touch.
func mergeRanges(base iter.Seq2[blockRange, error], removed, added []blockRange, emit func(blockRange) error) error {
	var last blockRange // not emitted yet; empty: none
	put := func(r blockRange) error {
		if last.first < last.end && r.first <= last.end {
			last.end = max(last.end, r.end)
			return nil
		}
		old := last
		last = r
		if old.first < old.end {
			return emit(old)
		}
		return nil
	}
	putAdded := func(before uint64) error {
		for len(added) > 0 && added[0].first <= before {
			if err := put(added[0]); err != nil {
				return err
			}
			added = added[1:]
		}
		return nil
	}
	for r, err := range base {
		if err != nil {
			return err
		}
		for r.first < r.end {
			for len(removed) > 0 && removed[0].end <= r.first {
				removed = removed[1:]
			}
			piece := r
			if len(removed) > 0 && removed[0].first < r.end {
				piece.end = max(r.first, removed[0].first)
				r.first = min(r.end, removed[0].end)
			} else {
				r.first = r.end
			}
			if piece.first < piece.end {
				if err := putAdded(piece.first); err != nil {
					return err
				}
				if err := put(piece); err != nil {
					return err
				}
			}
		}
	}
	if err := putAdded(noLimit); err != nil {
		return err
	}
	if last.first < last.end {
		return emit(last)
	}
	return nil
}

// addRange adds r to ranges, which are ascending and apart from one another, and returns them. Ranges that touch become one.
func addRange(ranges []blockRange, r blockRange) []blockRange {
	if n := len(ranges); n > 0 && ranges[n-1].end == r.first { // a log that grows
		ranges[n-1].end = r.end
		return ranges
	}
	from := sort.Search(len(ranges), func(i int) bool { return ranges[i].end >= r.first })
	to := from
	for to < len(ranges) && ranges[to].first <= r.end {
		r.first, r.end = min(r.first, ranges[to].first), max(r.end, ranges[to].end)
		to++
	}
	return slices.Replace(ranges, from, to, r)
}

// removeRange takes r out of ranges.
func removeRange(ranges []blockRange, r blockRange) []blockRange {
	var out []blockRange
	for _, o := range ranges {
		if o.end <= r.first || o.first >= r.end {
			out = append(out, o)
			continue
		}
		if o.first < r.first {
			out = append(out, blockRange{o.first, r.first})
		}
		if o.end > r.end {
			out = append(out, blockRange{r.end, o.end})
		}
	}
	return out
}
