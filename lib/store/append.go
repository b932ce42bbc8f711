package store

import (
	"bytes"
	"context"
	"fmt"

	"hc/lib/checksum"
	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

// Has reports whether a block is in the store or came earlier in this transaction (among the last 64 Ki blocks at
// least).
func (tx *Tx) Has(ctx context.Context, leaf hash.Digest) (bool, error) {
	if err := tx.check(); err != nil {
		return false, err
	}
	if _, ok := tx.own.Get(leaf); ok {
		return true, nil
	}
	_, ok, err := tx.lookUp(ctx, leaf)
	return ok, err
}

// Expect announces roughly which blocks will be put next, and in which order. They are then looked up together, which
// is far cheaper in a large store. The caller must not change leaves until the next call.
func (tx *Tx) Expect(leaves []hash.Digest) { tx.expected.Set(leaves) }

// lookUp returns where the store has a block. A damaged index has none: blocks are stored again until it is mended.
func (tx *Tx) lookUp(ctx context.Context, leaf hash.Digest) (known, bool, error) {
	if at, ok := tx.near.Get(leaf); ok {
		return known{place: at}, true, nil
	}
	at, ok, err := tx.view.state.lookUpExpected(ctx, tx.store.log, leaf, &tx.expected)
	if derived.IsFault(err) {
		tx.store.renew(tx.view.state, err, true)
		return known{}, false, nil
	}
	if ok {
		tx.near.Learn(ctx, tx.store.reader, at.Run)
	}
	return known{at, ok}, ok, err
}

// Grow hands over the roots of the log as it is before the first Append. They grow with each Append and are complete
// when Commit asks for the head, so nobody needs to hash the tree a second time.
func (tx *Tx) Grow(roots *merkle.Roots) { tx.roots = roots }

// Append adds the next block, at most 15 MiB. leaf is its leaf hash, which is trusted. data is not kept after the
// return. A block that the store has is not stored again, unless the transaction is short. A block that lies between
// blocks that the store has, where the store has a similar one, is stored as a delta to that.
func (tx *Tx) Append(ctx context.Context, leaf hash.Digest, data []byte) error {
	if err := tx.check(); err != nil {
		return err
	}
	return tx.failed("appending to", tx.add(ctx, leaf, data, checksum.Sum{}))
}

// AppendAll is Append for many blocks, which are written from where they are; that is cheaper than one by one. sums has
// the checksum of each block, if known; nil: of none. It returns how many were added.
func (tx *Tx) AppendAll(ctx context.Context, leaves []hash.Digest, blocks [][]byte, sums []checksum.Sum) (int, error) {
	if err := tx.check(); err != nil {
		return 0, err
	}
	tx.lends = true
	tx.Expect(leaves)
	defer func() {
		tx.lends = false
		tx.Expect(nil)
	}()
	for i, block := range blocks {
		tx.expected.GoOn(i)
		var sum checksum.Sum
		if sums != nil {
			sum = sums[i]
		}
		if err := tx.add(ctx, leaves[i], block, sum); err != nil {
			return i, tx.failed("appending to", err)
		}
	}
	return len(blocks), tx.failed("appending to", tx.runs.Keep(ctx))
}

func (tx *Tx) add(ctx context.Context, leaf hash.Digest, data []byte, sum checksum.Sum) error {
	if len(data) > records.MaxBlock {
		return fmt.Errorf("block of %d bytes, the limit is %d", len(data), records.MaxBlock)
	}
	b := appended{node: merkle.LeafNodeHash(tx.next, uint64(len(data)), leaf)}
	tx.next++
	tx.blocks++
	if tx.options.Short {
		return tx.settleNew(ctx, b.node, data, sum)
	}
	_, own := tx.own.Get(leaf)
	if !own {
		at, found, err := tx.lookUp(ctx, leaf)
		if err != nil {
			return err
		}
		if !found {
			tx.own.Add(leaf, len(data))
			return tx.addNew(ctx, b, data, sum)
		}
		if err := tx.deltas.found(ctx, at.place); err != nil {
			return err
		}
		b.at = at
	}
	if tx.deltas.waits() {
		return tx.deltas.queue(ctx, b)
	}
	return tx.settleKnown(ctx, b.node, b.at)
}

// addNew adds a block that the store does not have. An earlier block in its place may become its base, so it waits
// until that is known.
func (tx *Tx) addNew(ctx context.Context, b appended, data []byte, sum checksum.Sum) error {
	if tx.deltas.takes(len(data)) {
		b.block = &newBlock{leaf: b.node.Hash, data: bytes.Clone(data), sum: sum}
		return tx.deltas.queue(ctx, b)
	}
	if err := tx.settleAll(ctx); err != nil {
		return err
	}
	return tx.settleNew(ctx, b.node, data, sum)
}

// settleAll waits until it is decided how each block so far is stored.
func (tx *Tx) settleAll(ctx context.Context) error {
	if err := tx.deltas.endGap(ctx, nil); err != nil {
		return err
	}
	return tx.deltas.settle(ctx, 0)
}

// settleKnown adds a block that the store has to the span.
func (tx *Tx) settleKnown(ctx context.Context, node merkle.Node, at known) error {
	if !at.indexed && tx.span.mayBegin(at.place) {
		now, ok, err := tx.view.state.lookUp(ctx, tx.store.log, node.Hash)
		if err != nil && !derived.IsFault(err) {
			return err
		}
		at.indexed = ok && now == at.place
	}
	tx.span.known(node, at)
	return tx.boundSpan(ctx)
}

// settleNew adds a block that is stored with its neighbours to the span.
func (tx *Tx) settleNew(ctx context.Context, node merkle.Node, data []byte, sum checksum.Sum) error {
	put := tx.runs.Add
	if tx.lends {
		put = tx.runs.Lend
	}
	run, at, err := put(ctx, node.Hash, data, sum)
	if err != nil {
		return err
	}
	tx.span.inRun(node, run, at)
	return tx.boundSpan(ctx)
}

// settleDelta adds a block that is stored as a delta to the span.
func (tx *Tx) settleDelta(ctx context.Context, node merkle.Node, b *newBlock) error {
	run, err := tx.runs.AddDelta(ctx, b.leaf, len(b.data), b.base, b.frame, false)
	if err != nil {
		return err
	}
	tx.span.inRun(node, run, 0)
	return tx.boundSpan(ctx)
}

func (tx *Tx) boundSpan(ctx context.Context) error {
	t := tx.store.options.tuning
	if tx.span.count < t.spanBlocks && tx.span.bytes < spanBytes && tx.span.runs < t.spanRuns {
		return nil
	}
	return tx.endSpan(ctx)
}

// endSpan writes the span of the blocks that were appended since the last one.
func (tx *Tx) endSpan(ctx context.Context) error {
	if tx.span.count == 0 {
		return nil
	}
	meta := tx.span.meta()
	if tx.roots != nil {
		tx.roots.AppendCover(tx.span.roots.Nodes())
	}
	tx.span.next(tx.span.first + tx.span.count)
	if meta.HasPassages() {
		if err := tx.store.log.RaiseFormat(ctx); err != nil {
			return err
		}
	}
	return tx.record(ctx, packlog.KindSpan, meta.Encode())
}
