package replicate

import (
	"math"
	"slices"
)

// A scattered reader (see hypercore.Download.Want) has no range: it wants spans, which are asked for in turn. Blocks that
// nobody has are passed over until the reader waits for them.

// takeWants takes over the wishes that the reader has added since the last call.
func (f *fetcher) takeWants() {
	soon, later := f.d.TakeWants()
	for _, r := range soon {
		f.soon = append(f.soon, span{r.First, r.End})
	}
	for _, r := range later {
		f.later = append(f.later, span{r.First, r.End})
	}
}

// inRange reports whether a block is one of those that are read in order.
func (f *fetcher) inRange(block uint64) bool { return f.from <= block && block < f.to }

// wantAgain puts back a block that nextWanted took. It goes before all blocks not taken yet: otherwise what is known of
// it, such as its leaf hash, would wait for the rest, and keep the rest from being looked at.
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

// nextWanted takes the next block from the wanted spans. Once there is a log, blocks beyond its end are not waited for.
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

// passLacked passes over the blocks, from one already taken on, that no peer should be asked for until a reader waits for
// them. It reports whether that first block is one of them.
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

// wantedFrom returns how many neighbouring blocks are wanted, from one already taken on.
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
