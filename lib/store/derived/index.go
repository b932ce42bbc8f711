package derived

import (
	"context"
	"iter"

	"hc/lib/hash"
	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/runs"
	"hc/lib/store/table"
)

// IndexSchema is the schema of the index's tables, which map leaf hashes to places. See FORMAT.md.
var IndexSchema = table.Schema{Magic: [4]byte{'h', 'c', 'i', 'x'}, KeySize: hash.Size, ValueSize: blockmap.PlaceSize}

// Index is the tables that map leaf hashes to the places of blocks, newest first.
type Index []*table.Table

// Places calls fn for the places that the index has for the block with that leaf hash, newest first, until fn returns
// false. Their runs may be in packs that are gone.
func (x Index) Places(ctx context.Context, leaf hash.Digest, fn func(runs.Place) bool) error {
	for _, t := range x {
		value, ok, err := t.Get(ctx, leaf[:])
		if err != nil {
			return err
		}
		if ok && !fn(blockmap.DecodePlace(value)) {
			return nil
		}
	}
	return nil
}

// HasPlace reports whether the index has a place for the block in a run that is current.
func (x Index) HasPlace(ctx context.Context, leaf hash.Digest, current func(packlog.Position) bool) (known bool, err error) {
	err = x.Places(ctx, leaf, func(p runs.Place) bool {
		known = current(p.Run)
		return !known
	})
	return known, err
}

// All yields the rows of all tables in ascending order, only the newest for each leaf hash. A row is valid until the
// next one.
func (x Index) All(ctx context.Context) iter.Seq2[table.Row, error] {
	list := make([]Limited, len(x))
	for i, t := range x {
		list[i] = Limited{t, blockmap.NoLimit}
	}
	return mergedRows(ctx, list)
}
