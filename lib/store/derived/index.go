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

// IndexSchema is that of the tables of the index; by leaf hash a place. See FORMAT.md.
var IndexSchema = table.Schema{Magic: [4]byte{'h', 'c', 'i', 'x'}, KeySize: hash.Size, ValueSize: blockmap.PlaceSize}

// Index is the tables that say where blocks are, by their leaf hashes, newest first.
type Index []*table.Table

// Places calls fn for the places of the block with that leaf hash, as far as the index has any, newest first, until it returns false. Their
// runs may be in packs that are gone.
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

// HasPlace reports whether the index knows a place of a block whose run is current.
func (x Index) HasPlace(ctx context.Context, leaf hash.Digest, current func(packlog.Position) bool) (known bool, err error) {
	err = x.Places(ctx, leaf, func(p runs.Place) bool {
		known = current(p.Run)
		return !known
	})
	return known, err
}

// All gives the rows of all tables, ascending, of each leaf hash the newest. A row is valid until the next one.
func (x Index) All(ctx context.Context) iter.Seq2[table.Row, error] {
	list := make([]Limited, len(x))
	for i, t := range x {
		list[i] = Limited{t, blockmap.NoLimit}
	}
	return mergedRows(ctx, list)
}
