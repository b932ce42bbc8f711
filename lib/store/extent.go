package store

import (
	"context"
	"fmt"

	"hc/lib/hash"
	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

// Extent says how neighbouring blocks are stored.
type Extent struct {
	Count uint64 // blocks, from the one asked about on, that are neighbours in one run, too
	Whole bool   // they are all of the run, so Payload returns it as stored
	Raw   bool   // they are stored raw, as compressing them saves nothing
	Delta bool   // it is one block, stored as a delta: see StoredDelta
	Bytes int    // of the run

	run *records.Entry
}

// Extent returns how a block is stored, together with as many of the blocks after it as are stored along with it, but
// none from end on. ErrBlockMissing if it is not held.
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
	switch r.Kind {
	case blockmap.Placed:
		r = r.Part(block, end)
		at, count = r.Place, r.Count
	case blockmap.InPassage:
		r = r.Part(block, end)
		count = r.Count
		if at, err = v.passagePlace(ctx, r.Place.Run, block); err != nil {
			return Extent{}, err
		}
	case blockmap.ByLeaf:
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
	e, err := v.store.reader.Meta(ctx, at.Run, packlog.KindRun)
	if err != nil {
		return Extent{}, err
	}
	if r.Kind == blockmap.ByLeaf {
		if count, err = v.alike(ctx, r.Part(block, end), at, e.Run.Leaves); err != nil {
			return Extent{}, err
		}
	}
	return Extent{
		Count: count,
		Whole: at.At == 0 && count == uint64(e.Run.Count) && e.Run.Codec != records.CodecDelta,
		Raw:   e.Run.Codec == records.CodecRaw,
		Delta: e.Run.Codec == records.CodecDelta && e.Run.Count == 1,
		Bytes: e.Run.Raw,
		run:   e,
	}, nil
}

// alike returns how many blocks of a row, held by their leaf hashes, follow one another in a run as well.
func (v *View) alike(ctx context.Context, r blockmap.Row, at place, leaves []hash.Digest) (count uint64, err error) {
	for count = 1; count < r.Count && uint64(at.At)+count < uint64(len(leaves)); count++ {
		leaf, err := v.leafHash(ctx, r, r.First+count)
		if err != nil || leaf != leaves[uint64(at.At)+count] {
			return count, err
		}
	}
	return count, nil
}

// StoredRun is a run as it is stored.
type StoredRun struct {
	Zstd, Lines bool // compressed, in one frame; every block ends after its LF
	Raw         int  // bytes of the blocks
	Lengths     []uint32
	Payload     []byte // the part that was appended
}

// Payload appends the run of a whole extent to b, checked against its record's checksum, and returns the extended b. If
// b has room for it and 7 bytes more, it is read into b directly, and nothing is allocated or copied. The store keeps
// no reference to b; the lengths must not be changed. The run may be gone or damaged although its blocks can be read,
// from elsewhere: then b is as before, except for the bytes after its end.
func (v *View) Payload(ctx context.Context, of Extent, b []byte) (StoredRun, []byte, error) {
	m := of.run.Run
	if m.Codec == records.CodecDelta {
		return StoredRun{}, b, fmt.Errorf("internal error: the run at %v cannot be read alone", of.run.At)
	}
	longer, payload, err := v.stored(ctx, of, b)
	return StoredRun{Zstd: m.Codec == records.CodecZstd, Lines: m.Lines, Raw: m.Raw, Lengths: m.Lengths, Payload: payload}, longer, err
}

// StoredDelta is a block as it is stored with a base.
type StoredDelta struct {
	Base  hash.Digest // leaf hash of the block that is the frame's dictionary
	Frame []byte      // the part that was appended
}

// StoredDelta appends the block of an extent that is a delta to b, as Payload does.
func (v *View) StoredDelta(ctx context.Context, of Extent, b []byte) (StoredDelta, []byte, error) {
	m := of.run.Run
	if m.Codec != records.CodecDelta || m.Count != 1 {
		return StoredDelta{}, b, fmt.Errorf("internal error: the run at %v is not a delta", of.run.At)
	}
	longer, frame, err := v.stored(ctx, of, b)
	return StoredDelta{Base: m.Base, Frame: frame}, longer, err
}

func (v *View) stored(ctx context.Context, of Extent, b []byte) (longer, appended []byte, err error) {
	longer, err = v.store.log.AppendPayload(ctx, of.run.Stored, b)
	if err != nil {
		return b, nil, records.DamagedAt(of.run.At, err)
	}
	return longer, longer[len(b):], nil
}

// Object returns the bytes of the block with that leaf hash, from whatever core. It returns ErrBlockMissing if the
// store does not hold it, or no longer: nothing keeps it from being forgotten. The caller verifies the bytes, and must
// not change them.
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
			data, err = s.reader.Block(ctx, at)
		}
		return st, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the block with leaf hash %v: %w", leaf, err)
	}
	return data, nil
}

// Empty reports whether the store holds no core, and so no block that another core could share.
func (s *Store) Empty(ctx context.Context) (bool, error) {
	list, err := s.Cores(ctx)
	return len(list) == 0, err
}
