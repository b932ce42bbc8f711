package replicate

import (
	"slices"

	"hc/lib/proof"
)

// ordered are the blocks that are read in order, and so asked for in order: those of a range.
type ordered struct {
	from, to uint64   // the range, to exclusive; to is proof.Open if the range ends with the log
	known    bool     // from and to are known
	cursor   uint64   // next block to take
	retry    []uint64 // blocks that were put back, ascending
}

// newOrdered takes the wanted blocks from the claim, as far as it names them; a range of bytes is looked up later.
func newOrdered(claim proof.Claim) ordered {
	o := ordered{to: proof.Open, known: true}
	switch claim.Kind {
	case proof.KindHead:
		o.to = 0
	case proof.KindBlocks:
		o.from = claim.From
		if claim.To != proof.Open {
			o.to = claim.To + 1
		}
	case proof.KindBytes:
		o.known = false
	}
	if claim.At != nil {
		o.to = min(o.to, *claim.At)
	}
	o.cursor = o.from
	return o
}

// set sets a range that was looked up.
func (o *ordered) set(from, to uint64) {
	o.from, o.to, o.known = from, to, true
	o.cursor = from
}

func (o *ordered) has(block uint64) bool { return o.from <= block && block < o.to }

// allTaken reports whether no block of a log of that length is left to take.
func (o *ordered) allTaken(length uint64) bool {
	return o.known && o.cursor >= min(o.to, length) && len(o.retry) == 0
}

// next takes the next block below limit. Those that were put back come first: the reader may wait for them.
func (o *ordered) next(limit uint64) (block uint64, ok bool) {
	if len(o.retry) > 0 && o.retry[0] < limit {
		block, o.retry = o.retry[0], o.retry[1:]
		return block, true
	}
	if o.cursor < limit {
		o.cursor++
		return o.cursor - 1, true
	}
	return 0, false
}

// putBack undoes next.
func (o *ordered) putBack(block uint64) {
	if at, there := slices.BinarySearch(o.retry, block); !there {
		o.retry = slices.Insert(o.retry, at, block)
	}
}

// skip passes over the blocks between one just taken and another, within the range.
func (o *ordered) skip(block, next uint64) {
	if o.cursor == block+1 {
		o.cursor = min(next, max(o.to, o.cursor))
	}
}
