package store

import (
	"context"

	"hc/lib/hash"
	"hc/lib/store/codec"
	"hc/lib/store/records"
)

// DeltaFits reports whether a block that came as a delta may be stored as it came, given the sizes of the block and of
// the frame.
func DeltaFits(raw, frame int) bool { return raw <= records.MaxBlock && codec.DeltaWorthIt(frame, raw) }

// PutDelta is Put for a block that came as a delta: in a frame whose dictionary is the block with leaf hash base, and
// which the caller has decoded to exactly these bytes. If the block is new here and the base is stored without a base
// of its own, the frame is stored as it came; otherwise PutDelta does what Put does. The frame must not be changed
// before the transaction has ended.
func (tx *Tx) PutDelta(ctx context.Context, block uint64, leaf hash.Digest, data []byte, base hash.Digest, frame []byte) error {
	if err := tx.check(); err != nil {
		return err
	}
	return tx.failed("storing a block of", tx.putDelta(ctx, block, &newBlock{leaf: leaf, data: data, base: base, frame: frame}))
}

func (tx *Tx) putDelta(ctx context.Context, block uint64, b *newBlock) error {
	takes, err := tx.takesDelta(ctx, block, b)
	if err != nil {
		return err
	}
	if !takes {
		return tx.put(ctx, block, b.leaf, b.data)
	}
	run, err := tx.runs.AddDelta(ctx, b.leaf, len(b.data), b.base, b.frame, true)
	if err != nil {
		return err
	}
	tx.own.Add(b.leaf, len(b.data))
	return tx.putInto(ctx, putBlock{block: block, ref: records.LeafRef{Size: uint64(len(b.data)), Leaf: b.leaf}, run: run})
}

// takesDelta reports whether a block can be stored as it came.
func (tx *Tx) takesDelta(ctx context.Context, block uint64, b *newBlock) (bool, error) {
	if tx.options.Short || b.leaf == b.base || !DeltaFits(len(b.data), len(b.frame)) || !codec.IsFrame(b.frame, len(b.data)) {
		return false, nil
	}
	p := putBlock{block: block, ref: records.LeafRef{Leaf: b.leaf}}
	if known, err := tx.knows(ctx, &p, false); known || err != nil {
		return false, err
	}
	_, err := tx.view.state.locatePlain(ctx, tx.store, b.base)
	return err == nil, ctx.Err() // else it is stored without a base: nothing is lost by that
}
