package store

import (
	"context"
	"fmt"

	"hc/lib/hash"
	"hc/lib/store/packlog"
)

// Extent says how neighbouring blocks are stored.
type Extent struct {
	Count uint64 // blocks that are neighbours in one run, too, from the one that was asked about on
	Whole bool   // they are all of the run, so Payload returns it as it is stored
	Raw   bool   // they are stored raw, as compressing them saves nothing
	Delta bool   // it is one block, stored as what it differs from another: StoredDelta tells
	Bytes int    // of the run

	run packlog.Position
}

// Extent tells how a block is stored, and as many of those behind it as are stored along with it, but none from end on.
// ErrBlockMissing if it is not held.
func (v *View) Extent(ctx context.Context, block, end uint64) (Extent, error) {
	e, err := again(ctx, v, func(v *View) (Extent, error) { return v.extent(ctx, block, min(end, v.head.Length)) })
	if err != nil {
		return e, fmt.Errorf("block %d of core %v: %w", block, v.key, err)
	}
	return e, nil
}

func (v *View) extent(ctx context.Context, block, end uint64) (Extent, error) {
	if v.core == nil || block >= end {
		return Extent{}, ErrBlockMissing
	}
	r, err := v.row(ctx, block)
	if err != nil {
		return Extent{}, err
	}
	var at place
	count := uint64(1)
	switch r.kind {
	case rowPlaced:
		r = r.part(block, end)
		at, count = r.place, r.count
	case rowPassage:
		r = r.part(block, end)
		count = r.count
		if at, err = v.passagePlace(ctx, r.place.run, block); err != nil {
			return Extent{}, err
		}
	case rowByLeaf:
		leaf, err := v.leafHash(ctx, r, block)
		if err != nil {
			return Extent{}, err
		}
		if at, err = v.state.locate(ctx, v.store, leaf); err != nil {
			return Extent{}, err
		}
	default:
		return Extent{}, ErrBlockMissing
	}
	e, err := v.store.reader.meta(ctx, at.run, packlog.KindRun)
	if err != nil {
		return Extent{}, err
	}
	if r.kind == rowByLeaf {
		if count, err = v.alike(ctx, r.part(block, end), at, e.run.leaves); err != nil {
			return Extent{}, err
		}
	}
	return Extent{
		Count: count,
		Whole: at.at == 0 && count == uint64(e.run.count) && e.run.codec != codecDelta,
		Raw:   e.run.codec == codecRaw,
		Delta: e.run.codec == codecDelta && e.run.count == 1,
		Bytes: e.run.raw,
		run:   at.run,
	}, nil
}

// alike returns how many blocks of a row that are held by their leaf hashes are, in order, those of a run.
func (v *View) alike(ctx context.Context, r row, at place, leaves []hash.Digest) (count uint64, err error) {
	for count = 1; count < r.count && uint64(at.at)+count < uint64(len(leaves)); count++ {
		leaf, err := v.leafHash(ctx, r, r.first+count)
		if err != nil || leaf != leaves[uint64(at.at)+count] {
			return count, err
		}
	}
	return count, nil
}

// StoredRun is a run as it is stored.
type StoredRun struct {
	Zstd, Lines bool // compressed, in one frame; every block ends behind its LF
	Raw         int  // bytes of the blocks
	Lengths     []uint32
	Payload     []byte
}

// Payload returns the run of an extent that is whole, which its record's checksum has been compared with. It may be gone or damaged
// although its blocks can be read, from elsewhere.
func (v *View) Payload(ctx context.Context, of Extent) (StoredRun, error) {
	m, payload, err := v.storedRun(ctx, of)
	if err == nil && m.codec == codecDelta {
		err = fmt.Errorf("internal error: the run at %v cannot be read alone", of.run)
	}
	if err != nil {
		return StoredRun{}, err
	}
	return StoredRun{Zstd: m.codec == codecZstd, Lines: m.lines, Raw: m.raw, Lengths: m.lengths, Payload: payload}, nil
}

// StoredDelta is a block as it is stored with a base.
type StoredDelta struct {
	Base  hash.Digest // leaf hash of the block that is the frame's dictionary
	Frame []byte
}

// StoredDelta returns the block of an extent that is a delta, as Payload does.
func (v *View) StoredDelta(ctx context.Context, of Extent) (StoredDelta, error) {
	m, payload, err := v.storedRun(ctx, of)
	if err == nil && (m.codec != codecDelta || m.count != 1) {
		err = fmt.Errorf("internal error: the run at %v is no delta", of.run)
	}
	if err != nil {
		return StoredDelta{}, err
	}
	return StoredDelta{Base: m.base, Frame: payload}, nil
}

func (v *View) storedRun(ctx context.Context, of Extent) (*runMeta, []byte, error) {
	record, err := v.store.log.ReadRecord(ctx, of.run)
	if err != nil {
		return nil, nil, damagedAt(of.run, err)
	}
	if record.Kind != packlog.KindRun {
		return nil, nil, fmt.Errorf("%w: record at %v is of kind %d, expected a run", ErrDamaged, of.run, record.Kind)
	}
	m, err := decodeRun(record.Meta)
	if err != nil {
		return nil, nil, damagedAt(of.run, err)
	}
	return m, record.Payload, nil
}

// Object returns the bytes of the block with that leaf hash, of whatever core. ErrBlockMissing if the store does not hold it, or not any
// more: nothing keeps it from being forgotten meanwhile. The caller compares them, and must not change them.
func (s *Store) Object(ctx context.Context, leaf hash.Digest) (data []byte, err error) {
	err = s.retry(ctx, func() (*state, error) {
		st, _, err := s.current(ctx)
		if err != nil {
			return st, err
		}
		at, ok, err := st.lookUp(ctx, s.log, leaf)
		if err == nil && !ok {
			err = ErrBlockMissing
		}
		if err == nil {
			data, err = s.reader.block(ctx, at)
		}
		return st, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the block with leaf hash %v: %w", leaf, err)
	}
	return data, nil
}

// Empty reports whether the store holds no core, so no block that another one could have, too.
func (s *Store) Empty(ctx context.Context) (bool, error) {
	list, err := s.Cores(ctx)
	return len(list) == 0, err
}
