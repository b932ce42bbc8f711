package replicate

import (
	"math"
	"slices"
)

// A scattered reader (see hypercore.Download.Want) has no range: what it wants are spans, which are asked for in turn. What
// nobody has is passed over until the reader stands before it.

// takeWants takes over what the reader has said since.
func (f *fetcher) takeWants() {
	soon, later := f.d.TakeWants()
	for _, r := range soon {
		f.soon = append(f.soon, span{r.First, r.End})
	}
	for _, r := range later {
		f.later = append(f.later, span{r.First, r.End})
	}
}

// inRange reports whether a block is of those that are read in order.
func (f *fetcher) inRange(block uint64) bool { return f.from <= block && block < f.to }

// wantAgain puts a block back that nextWanted took off. It comes before all that was not taken off yet: what is known of it, such as its
// leaf hash, would else wait for the rest, and keep that from being looked at.
func (f *fetcher) wantAgain(block uint64) {
	for _, spans := range [][]span{f.soon, f.later} {
		if len(spans) > 0 && spans[0].start == block+1 {
			spans[0].start = block
			return
		}
	}
	if at, there := slices.BinarySearch(f.anew, block); !there {
		f.anew = slices.Insert(f.anew, at, block)
	}
}

// nextWanted takes the next block off the spans that are wanted. Once there is a log, what is beyond its end is not waited
// for.
func (f *fetcher) nextWanted(length uint64) (block uint64, ok bool) {
	if length == 0 {
		return 0, false
	}
	for len(f.anew) > 0 {
		block, f.anew = f.anew[0], f.anew[1:]
		if block < length {
			return block, true
		}
	}
	for _, spans := range []*[]span{&f.soon, &f.later} {
		for len(*spans) > 0 {
			first := &(*spans)[0]
			if first.start < min(first.end, length) {
				first.start++
				return first.start - 1, true
			}
			*spans = (*spans)[1:]
		}
		*spans = nil
	}
	return 0, false
}

// passLacked passes over the blocks from one on, which was taken off, that nobody is to be asked for before a reader stands before them, and
// reports whether this is one of them.
func (f *fetcher) passLacked(block uint64) bool {
	_, fork := f.d.Length()
	next, heard := uint64(math.MaxUint64), false
	for _, s := range f.sessions {
		if s.dropped {
			continue
		}
		if !s.offers() || s.undecidedYet() {
			return false
		}
		heard = true
		if at, ok := s.nextToAsk(block, fork); ok {
			next = min(next, at)
		}
	}
	if !heard || next == block {
		return false
	}
	if f.cursor == block+1 {
		f.cursor = min(next, max(f.to, f.cursor))
	}
	for _, spans := range [][]span{f.soon, f.later} {
		if len(spans) > 0 && spans[0].start == block+1 {
			spans[0].start = min(next, max(spans[0].end, block+1))
			break
		}
	}
	return true
}

// wantedFrom returns how many neighbouring blocks are wanted from one on that was taken off.
func (f *fetcher) wantedFrom(block, limit uint64) uint64 {
	if f.inRange(block) {
		return max(limit, block+1) - block
	}
	for _, spans := range [][]span{f.soon, f.later} {
		if len(spans) > 0 && spans[0].start == block+1 {
			return spans[0].end - block
		}
	}
	count := uint64(1)
	for _, next := range f.anew {
		if next != block+count {
			break
		}
		count++
	}
	return count
}
