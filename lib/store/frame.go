package store

import (
	"context"

	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/codec"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

// leastFrame is the fewest bytes of blocks that are stored as a run of their own because they came as one. Smaller
// groups join their neighbours: a run costs an entry of its own, and small frames compress badly.
const leastFrame = 32 << 10

// FrameFits reports whether neighbouring blocks that came compressed together may become a run as they came, given
// their number, their total size, and the size of the frame.
func FrameFits(count, raw, frame int) bool {
	return count <= runs.MostShortBlocks && raw >= leastFrame && raw <= records.MaxBlock && (raw <= runs.MostBytes || count == 1) && codec.WorthIt(frame, raw)
}

// RawFits reports whether neighbouring blocks that came uncompressed together may become a run as they came, given
// their number and total size.
func RawFits(count, raw int) bool {
	return count <= runs.MostShortBlocks && raw >= leastFrame && raw <= records.MaxBlock && (raw <= runs.MostBytes || count == 1)
}

// PutRaw is Put for neighbouring blocks, from first on, whose bytes follow one another in payload, which must not be
// changed before the transaction has ended. If all are new here and look incompressible, they become a run of their
// own, written from where they are; otherwise PutRaw does what Put does.
func (tx *Tx) PutRaw(ctx context.Context, first uint64, leaves []hash.Digest, blocks [][]byte, payload []byte) error {
	if err := tx.check(); err != nil {
		return err
	}
	asCame := !tx.options.Short && RawFits(len(blocks), len(payload)) && codec.LooksRandom(payload)
	return tx.failed("storing blocks of", tx.putTogether(ctx, cameTogether{first, leaves, blocks, payload, records.CodecRaw}, asCame))
}

// cameTogether is neighbouring blocks, with the payload of a run of just these.
type cameTogether struct {
	first   uint64
	leaves  []hash.Digest
	blocks  [][]byte
	payload []byte
	codec   byte
}

// PutFrame is Put for neighbouring blocks, from first on, that came compressed together, in a frame which the caller
// has decoded to exactly these bytes. If all are new here and a run may have such a frame, it is stored as it came;
// otherwise PutFrame does what Put does. The frame must not be changed before the transaction has ended.
func (tx *Tx) PutFrame(ctx context.Context, first uint64, leaves []hash.Digest, blocks [][]byte, frame []byte) error {
	if err := tx.check(); err != nil {
		return err
	}
	raw := 0
	for _, block := range blocks {
		raw += len(block)
	}
	asCame := FrameFits(len(blocks), raw, len(frame)) && codec.IsFrame(frame, raw)
	return tx.failed("storing blocks of", tx.putTogether(ctx, cameTogether{first, leaves, blocks, frame, records.CodecZstd}, asCame))
}

// putTogether stores blocks as a run of their own, if that is wanted and possible, else one by one.
func (tx *Tx) putTogether(ctx context.Context, c cameTogether, asCame bool) error {
	var err error
	if asCame {
		asCame, err = tx.allNew(ctx, c)
	}
	if err != nil {
		return err
	}
	if !asCame {
		for i, block := range c.blocks {
			if err := tx.put(ctx, c.first+uint64(i), c.leaves[i], block); err != nil {
				return err
			}
		}
		return nil
	}
	run, err := tx.runs.AddTogether(ctx, c.leaves, c.blocks, c.payload, c.codec)
	if err != nil {
		return err
	}
	for i, block := range c.blocks {
		if !tx.options.Short {
			tx.own.Add(c.leaves[i], len(block))
		}
		p := putBlock{block: c.first + uint64(i), ref: records.LeafRef{Size: uint64(len(block)), Leaf: c.leaves[i]}, run: run, at: uint32(i)}
		if err := tx.putInto(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// allNew reports whether none of the blocks is in the store.
func (tx *Tx) allNew(ctx context.Context, c cameTogether) (bool, error) {
	if len(c.blocks) == 0 || c.first+uint64(len(c.blocks)) > merkle.MaxLength {
		return false, nil
	}
	for i, leaf := range c.leaves {
		p := putBlock{block: c.first + uint64(i), ref: records.LeafRef{Leaf: leaf}}
		if known, err := tx.knows(ctx, &p, false); known || err != nil {
			return false, err
		}
	}
	return true, nil
}
