package store

import (
	"context"
	"fmt"
	"slices"

	"hc/lib/hash"
	"hc/lib/store/dedup"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

// place is where a block is.
type place = runs.Place

// locate returns where a block that the store holds is. ErrBlockMissing if it holds none.
func (st *state) locate(ctx context.Context, s *Store, leaf hash.Digest) (place, error) {
	return st.locateWhere(ctx, s, leaf, func(place) error { return nil })
}

// locatePlain returns where a block is stored without a base, so that it may be one.
func (st *state) locatePlain(ctx context.Context, s *Store, leaf hash.Digest) (place, error) {
	return st.locateWhere(ctx, s, leaf, func(at place) error {
		e, err := s.reader.Meta(ctx, at.Run, packlog.KindRun)
		if err == nil && e.Run.Codec == records.CodecDelta {
			err = fmt.Errorf("%w: the run at %v is a base, and has one itself", ErrDamaged, at.Run)
		}
		return err
	})
}

// locateWhere returns the newest place of a block to which fn does not object.
func (st *state) locateWhere(ctx context.Context, s *Store, leaf hash.Digest, fn func(place) error) (at place, err error) {
	found := false
	var why error // of the last place that was rejected
	ask := func(p place) bool {
		why = fn(p)
		if found = why == nil; found {
			at = p
		}
		return !found
	}
	if err := st.eachPlace(ctx, s.log, leaf, ask); err != nil || found {
		return at, err
	}
	st.mu.RLock()
	skipped, view := slices.Clone(st.skipped), st.view
	st.mu.RUnlock()
	for _, run := range skipped { // a tail longer than what is held of it; the next checkpoint mends that
		e, err := s.reader.Meta(ctx, run, packlog.KindRun)
		if err != nil {
			return place{}, err
		}
		if i := slices.Index(e.Run.Leaves, leaf); i >= 0 && !ask(place{Run: run, At: uint32(i)}) {
			return at, nil
		}
	}
	if why != nil {
		return place{}, why
	}
	if !s.log.SamePacks(view) { // the block may be in a pack that was rewritten
		return place{}, fmt.Errorf("leaf hash %v: %w", leaf, packlog.ErrMoved)
	}
	return place{}, fmt.Errorf("%w: no block has leaf hash %v", ErrBlockMissing, leaf)
}

// lookUp returns where the index has a block.
func (st *state) lookUp(ctx context.Context, log *packlog.Log, leaf hash.Digest) (at place, ok bool, err error) {
	err = st.eachPlace(ctx, log, leaf, func(p place) bool {
		at, ok = p, true
		return false
	})
	return at, ok, err
}

// lookUpExpected is lookUp for a block that may be an expected one. If the index is known not to have it, only the tail
// is searched.
func (st *state) lookUpExpected(ctx context.Context, log *packlog.Log, leaf hash.Digest, e *dedup.Expected) (at place, ok bool, err error) {
	absent, err := e.Absent(ctx, st.derived.Index, leaf)
	if err != nil {
		return place{}, false, err
	}
	if !absent {
		return st.lookUp(ctx, log, leaf)
	}
	at, ok = st.inTail(log, leaf)
	return at, ok, nil
}

// inTail returns where the tail has a block.
func (st *state) inTail(log *packlog.Log, leaf hash.Digest) (at place, ok bool) {
	st.mu.RLock()
	at, ok = st.index[leaf]
	st.mu.RUnlock()
	return at, ok && log.Current(at.Run) && !st.derived.Files.Bad[at.Run]
}

// eachPlace calls fn with each place where the index has a block, newest first, until fn returns false.
func (st *state) eachPlace(ctx context.Context, log *packlog.Log, leaf hash.Digest, fn func(place) bool) error {
	bad := st.derived.Files.Bad
	if at, ok := st.inTail(log, leaf); ok && !fn(at) {
		return nil
	}
	return st.derived.Index.Places(ctx, leaf, func(p place) bool {
		return !log.Current(p.Run) || bad[p.Run] || fn(p)
	})
}

// readable returns the position up to which the log was read.
func (st *state) readable() packlog.Position {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.scanned
}
