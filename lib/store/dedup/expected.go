package dedup

import (
	"context"

	"hc/lib/hash"
	"hc/lib/store/derived"
	"hc/lib/store/table"
)

const (
	expectedBlocks = 16 << 10 // that are looked up together
	expectedReach  = 64       // how many expected blocks may be skipped
)

// Expected is the blocks that a transaction is about to get. It finds out together which of them the index does not
// have. Its zero value expects none.
type Expected struct {
	leaves []hash.Digest
	next   int // the first one that may come
	batch  table.Batch
	first  int // index in leaves of the first block in the batch
	asked  int // index in leaves after the last block in the batch
}

// Set replaces the expected blocks by those with these leaf hashes, in this order. leaves must not change until the
// next call.
func (e *Expected) Set(leaves []hash.Digest) {
	e.leaves, e.next, e.first, e.asked = leaves, 0, 0, 0
	e.batch.Reset()
}

// GoOn says, by its number, which expected block comes next.
func (e *Expected) GoOn(next int) { e.next = next }

// Absent reports whether it is certain that an index has no block with that leaf hash. If the look-up fails, it returns
// the error, and expects no more blocks.
func (e *Expected) Absent(ctx context.Context, in derived.Index, leaf hash.Digest) (bool, error) {
	for i := e.next; i < min(e.next+expectedReach, len(e.leaves)); i++ {
		if e.leaves[i] != leaf {
			continue
		}
		e.next = i + 1
		if i >= e.asked {
			if err := e.ask(ctx, in, i); err != nil {
				return false, err
			}
		}
		return !e.batch.MayHave(i - e.first), nil
	}
	return false, nil
}

// ask asks the index for the blocks from number first on.
func (e *Expected) ask(ctx context.Context, in derived.Index, first int) error {
	e.first, e.asked = first, min(first+expectedBlocks, len(e.leaves))
	e.batch.Reset()
	for i := e.first; i < e.asked; i++ {
		e.batch.Add(e.leaves[i][:])
	}
	for _, t := range in {
		if err := t.Ask(ctx, &e.batch); err != nil {
			e.leaves = nil
			return err
		}
	}
	return nil
}
