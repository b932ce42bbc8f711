package blockmap

import (
	"iter"
	"slices"
	"sort"
)

// Range is the blocks First … End-1; none if both are the same.
type Range struct{ First, End uint64 }

// Has reports whether the range has a block.
func (r Range) Has(block uint64) bool { return r.First <= block && block < r.End }

// MergeRanges calls emit for the ranges of base without removed and with added, ascending, and joined if they touch.
// All three are ascending, and removed and added have no block in common. Its errors are those of base and of emit.
func MergeRanges(base iter.Seq2[Range, error], removed, added []Range, emit func(Range) error) error {
	var last Range // not emitted yet; empty: none
	put := func(r Range) error {
		if last.First < last.End && r.First <= last.End {
			last.End = max(last.End, r.End)
			return nil
		}
		old := last
		last = r
		if old.First < old.End {
			return emit(old)
		}
		return nil
	}
	putAdded := func(before uint64) error {
		for len(added) > 0 && added[0].First <= before {
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
		for r.First < r.End {
			for len(removed) > 0 && removed[0].End <= r.First {
				removed = removed[1:]
			}
			piece := r
			if len(removed) > 0 && removed[0].First < r.End {
				piece.End = max(r.First, removed[0].First)
				r.First = min(r.End, removed[0].End)
			} else {
				r.First = r.End
			}
			if piece.First < piece.End {
				if err := putAdded(piece.First); err != nil {
					return err
				}
				if err := put(piece); err != nil {
					return err
				}
			}
		}
	}
	if err := putAdded(NoLimit); err != nil {
		return err
	}
	if last.First < last.End {
		return emit(last)
	}
	return nil
}

// AddRange adds r to ranges, which are ascending and apart from one another, and returns them; it may change them in
// place. Ranges that touch become one.
func AddRange(ranges []Range, r Range) []Range {
	if n := len(ranges); n > 0 && ranges[n-1].End == r.First { // a log that grows
		ranges[n-1].End = r.End
		return ranges
	}
	from := sort.Search(len(ranges), func(i int) bool { return ranges[i].End >= r.First })
	to := from
	for to < len(ranges) && ranges[to].First <= r.End {
		r.First, r.End = min(r.First, ranges[to].First), max(r.End, ranges[to].End)
		to++
	}
	return slices.Replace(ranges, from, to, r)
}

// RemoveRange returns the rest of ranges without r, ascending. It does not change ranges.
func RemoveRange(ranges []Range, r Range) []Range {
	var out []Range
	for _, o := range ranges {
		if o.End <= r.First || o.First >= r.End {
			out = append(out, o)
			continue
		}
		if o.First < r.First {
			out = append(out, Range{o.First, r.First})
		}
		if o.End > r.End {
			out = append(out, Range{r.End, o.End})
		}
	}
	return out
}
