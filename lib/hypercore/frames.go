package hypercore

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"hc/lib/hash"
	"hc/lib/lent"
	"hc/lib/merkle"
	"hc/lib/store"
)

// Frame is neighbouring blocks as they came, compressed or just concatenated; or one block as a delta from another.
type Frame struct {
	First uint64
	Count int
	Bytes []byte
	Raw   bool // not compressed: the same bytes, in the same memory, as the blocks
	Delta bool
	Base  uint64 // with Delta: this block of the same core

	Memory *lent.Memory // where Bytes lie; nil: garbage-collected memory
}

// KeepFrames hands over the frames in which the blocks just taken in came, and which decode to exactly these. They
// are stored unchanged if possible, so that nobody has to compress the blocks a second time. Without a store there is
// nothing to keep. Memory is held as by Apply.
func (d *Download) KeepFrames(frames ...Frame) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.into == nil {
		return
	}
	for _, frame := range frames {
		frame.Memory.Hold()
		d.unsaved.frames = append(d.unsaved.frames, frame)
		d.unsaved.framed += frame.memory()
	}
}

// memory is what a frame costs in bytes besides its blocks.
func (f Frame) memory() int {
	if f.Raw {
		return 0
	}
	return len(f.Bytes)
}

// Stores reports whether the download has a store.
func (d *Download) Stores() bool { return d.into != nil }

// put stores the blocks in ascending order: those of one frame together, if the frame is intact.
func (v *verifiedPart) put(ctx context.Context, tx *store.Tx) error {
	slices.SortFunc(v.frames, func(a, b Frame) int { return cmp.Compare(a.First, b.First) })
	frames := v.frames
	tx.Expect(v.leaves())
	for blocks := v.blocks; len(blocks) > 0; {
		for len(frames) > 0 && frames[0].First < blocks[0].index {
			frames = frames[1:]
		}
		held, err := tx.View().Has(ctx, blocks[0].index) // stored by another process meanwhile
		if err != nil {
			return err
		}
		if held && !v.replaces {
			blocks = blocks[1:]
			continue
		}
		if len(frames) == 0 || frames[0].First != blocks[0].index || !frames[0].covers(blocks) {
			if err := tx.PutStaying(ctx, blocks[0].index, blocks[0].leaf, blocks[0].data); err != nil {
				return err
			}
			blocks = blocks[1:]
			continue
		}
		if err := frames[0].put(ctx, tx, blocks[:frames[0].Count]); err != nil {
			return err
		}
		blocks = blocks[frames[0].Count:]
	}
	return nil
}

// leaves returns the leaf hashes of the blocks in order, or nil if they are not looked up.
func (v *verifiedPart) leaves() []hash.Digest {
	if v.short() {
		return nil
	}
	leaves := make([]hash.Digest, len(v.blocks))
	for i, block := range v.blocks {
		leaves[i] = block.leaf
	}
	return leaves
}

// covers reports whether all blocks of the frame are there, from the first one on.
func (f Frame) covers(blocks []verifiedBlock) bool {
	return f.Count <= len(blocks) && blocks[f.Count-1].index == f.First+uint64(f.Count)-1
}

func (f Frame) put(ctx context.Context, tx *store.Tx, blocks []verifiedBlock) error {
	if f.Delta {
		return f.putDelta(ctx, tx, blocks[0])
	}
	leaves, data := make([]hash.Digest, len(blocks)), make([][]byte, len(blocks))
	for i, block := range blocks {
		leaves[i], data[i] = block.leaf, block.data
	}
	if f.Raw {
		return tx.PutRaw(ctx, f.First, leaves, data, f.Bytes)
	}
	return tx.PutFrame(ctx, f.First, leaves, data, f.Bytes)
}

func (f Frame) putDelta(ctx context.Context, tx *store.Tx, block verifiedBlock) error {
	base, err := tx.View().Node(ctx, 2*f.Base)
	if errors.Is(err, merkle.ErrNodeMissing) {
		return tx.PutStaying(ctx, block.index, block.leaf, block.data)
	}
	if err != nil {
		return err
	}
	return tx.PutDelta(ctx, block.index, block.leaf, block.data, base.Hash, f.Bytes)
}
