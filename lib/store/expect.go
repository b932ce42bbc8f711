package store

import (
	"context"

	"hc/lib/hash"
	"hc/lib/store/derived"
	"hc/lib/store/table"
)

const (
	expectedBlocks = 16 << 10 // that are looked for together
	expectedReach  = 64       // how many blocks may not come that were expected before one that comes
)

// expected is the blocks that a transaction is about to get, of which those that the index has not are found out together. Its zero value
// expects none.
type expected struct {
	leaves []hash.Digest
	next   int // the first one that may come
	batch  table.Batch
	first  int // of leaves, the one that the batch begins with
	asked  int // of leaves, behind the last one of the batch
}

// Expect says which blocks will be put next, about, and in which order: so they are looked for together, which costs far less in a
// store that has much. leaves is not changed by the caller until the next time.
func (tx *Tx) Expect(leaves []hash.Digest) {
	e := &tx.expected
	e.leaves, e.next, e.first, e.asked = leaves, 0, 0, 0
	e.batch.Reset()
}

// absent reports whether it is certain that the index has no block with that leaf hash.
func (e *expected) absent(ctx context.Context, in derived.Index, leaf hash.Digest) (bool, error) {
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
func (e *expected) ask(ctx context.Context, in derived.Index, first int) error {
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
