package blockmap

import (
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRanges compares ranges that are added and removed, one by one and merged as a stream, with an array of blocks.
func TestRanges(t *testing.T) {
	const length = 64
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		var plain, was [length]bool
		var ranges, base, removed, added []Range
		for n := range 16 {
			if n == 8 { // changes from here on are also merged
				base, was, removed, added = slices.Clone(ranges), plain, nil, nil
			}
			first := r.Uint64N(length)
			change := Range{first, first + 1 + r.Uint64N(length-first)}
			add := r.IntN(2) == 0
			for b := change.First; b < change.End; b++ {
				plain[b] = add
			}
			if add {
				ranges, added, removed = AddRange(ranges, change), AddRange(added, change), RemoveRange(removed, change)
			} else {
				ranges, added, removed = RemoveRange(ranges, change), RemoveRange(added, change), AddRange(removed, change)
			}
		}
		if got, want := ranges, rangesOf(plain[:]); !slices.Equal(got, want) {
			t.Fatalf("ranges are %v, want %v", got, want)
		}
		var merged []Range
		err := MergeRanges(each(base), removed, added, func(r Range) error {
			merged = append(merged, r)
			return nil
		})
		if err != nil || !slices.Equal(merged, ranges) {
			t.Fatalf("%v without %v and with %v: %v, %v, want %v", rangesOf(was[:]), removed, added, merged, err, ranges)
		}
	}
}

// rangesOf returns the ranges of the blocks that are there.
func rangesOf(there []bool) (ranges []Range) {
	for b, ok := range there {
		n := len(ranges)
		switch {
		case !ok:
		case n > 0 && ranges[n-1].End == uint64(b):
			ranges[n-1].End++
		default:
			ranges = append(ranges, Range{uint64(b), uint64(b) + 1})
		}
	}
	return ranges
}

func each(ranges []Range) iter.Seq2[Range, error] {
	return func(yield func(Range, error) bool) {
		for _, r := range ranges {
			if !yield(r, nil) {
				return
			}
		}
	}
}
