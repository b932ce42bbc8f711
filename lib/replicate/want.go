package replicate

import (
	"math"
	"slices"

	"hc/lib/hypercore"
)

// A scattered reader (see hypercore.Download.Want) has no range: it wants spans, which are asked for in turn. Blocks that
// nobody has are passed over until the reader waits for them.

// scattered are the blocks that such a reader wants and that have not been taken yet.
type scattered struct {
	anew        []uint64 // blocks that were put back, ascending
	soon, later []span   // those of soon first
}

// add takes over wishes of the reader.
func (w *scattered) add(soon, later []hypercore.BlockRange) {
	for _, r := range soon {
		w.soon = append(w.soon, span{r.First, r.End})
	}
	for _, r := range later {
		w.later = append(w.later, span{r.First, r.End})
	}
}

func (w *scattered) none() bool { return len(w.anew)+len(w.soon)+len(w.later) == 0 }

// next takes a block of a log of length blocks. Once there is a log, blocks beyond its end are not waited for.
func (w *scattered) next(length uint64) (block uint64, ok bool) {
	if length == 0 {
		return 0, false
	}
	for len(w.anew) > 0 {
		block, w.anew = w.anew[0], w.anew[1:]
		if block < length {
			return block, true
		}
	}
	for _, spans := range []*[]span{&w.soon, &w.later} {
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

// putBack undoes next. The block goes before all blocks not taken yet: otherwise what is known of it, such as its leaf
// hash, would wait for the rest, and keep the rest from being looked at.
func (w *scattered) putBack(block uint64) {
	if s := w.after(block); s != nil {
		s.start = block
		return
	}
	if at, there := slices.BinarySearch(w.anew, block); !there {
		w.anew = slices.Insert(w.anew, at, block)
	}
}

// skip passes over the blocks between one just taken and another, within the span of the first.
func (w *scattered) skip(block, next uint64) {
	if s := w.after(block); s != nil {
		s.start = min(next, max(s.end, block+1))
	}
}

// neighbours returns how many blocks in a row are wanted, from one just taken on.
func (w *scattered) neighbours(block uint64) uint64 {
	if s := w.after(block); s != nil {
		return s.end - block
	}
	count := uint64(1)
	for _, next := range w.anew {
		if next != block+count {
			break
		}
		count++
	}
	return count
}

// after returns what is left of the span that a block was taken from; nil: it was one put back, or others were taken since.
func (w *scattered) after(block uint64) *span {
	for _, spans := range [][]span{w.soon, w.later} {
		if len(spans) > 0 && spans[0].start == block+1 {
			return &spans[0]
		}
	}
	return nil
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
	f.ordered.skip(block, next)
	f.scattered.skip(block, next)
	return true
}

// wantedFrom returns how many neighbouring blocks are wanted, from one already taken on.
func (f *fetcher) wantedFrom(block, limit uint64) uint64 {
	if f.ordered.has(block) {
		return max(limit, block+1) - block
	}
	return f.scattered.neighbours(block)
}
