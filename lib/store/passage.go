package store

import (
	"context"

	"hc/lib/hash"
	"hc/lib/store/packlog"
)

const (
	leastPassage = 2    // blocks; one is named by its leaf hash
	mostPassage  = 1024 // blocks
	checkSize    = 16   // bytes
)

// passage names blocks that stand one behind the other in a run of another append, by what they are: so it means the same wherever that run
// is moved to, and in whichever of several runs they are found.
type passage struct {
	leaf  hash.Digest // of the first block
	check [checkSize]byte
	count uint64
}

// newPassage returns the passage of blocks with these leaf hashes.
func newPassage(leaves []hash.Digest) passage {
	return passage{leaf: leaves[0], check: checkOf(leaves), count: uint64(len(leaves))}
}

// checkOf tells passages apart that begin with the same block.
func checkOf(leaves []hash.Digest) (check [checkSize]byte) {
	joined := make([]byte, 0, hash.Size*len(leaves))
	for i := range leaves {
		joined = append(joined, leaves[i][:]...)
	}
	sum := hash.Sum(joined)
	copy(check[:], sum[:])
	return check
}

// at reports whether the passage begins with block number i of a run.
func (x *passage) at(m *runMeta, i int) bool {
	return m.leaves[i] == x.leaf && x.count <= uint64(len(m.leaves)-i) && checkOf(m.leaves[i:i+int(x.count)]) == x.check
}

// in returns the number of its first block in a run that has them all.
func (x *passage) in(m *runMeta) (number uint32, ok bool) {
	for i := range m.leaves {
		if x.at(m, i) {
			return uint32(i), true
		}
	}
	return 0, false
}

// passageIn returns where the blocks of a passage are in a run. ErrBlockMissing: it has others.
func (r *runReader) passageIn(ctx context.Context, run packlog.Position, x *passage) (place, error) {
	e, err := r.meta(ctx, run, packlog.KindRun)
	if err != nil {
		return place{}, err
	}
	number, ok := x.in(e.run)
	if !ok {
		return place{}, ErrBlockMissing
	}
	return place{run, number}, nil
}

// maxWhereabouts is of how many passages a tail remembers where they are.
const maxWhereabouts = 4 << 10

// whereabouts is what is known of a passage: where it is, or that no run up to a position in the log has it. Without the latter
// each block of it that somebody asks for would cost a search.
type whereabouts struct {
	found   bool
	at      place
	nowhere packlog.Position
}

// locatePassage returns where the blocks of a passage are. ErrBlockMissing if no run has them any more.
func (st *state) locatePassage(ctx context.Context, s *Store, x *passage) (place, error) {
	known, ok := st.recall(x)
	if ok && known.found {
		return known.at, nil
	}
	at, err := st.findPassage(ctx, s, x)
	if err != nil {
		return place{}, err
	}
	st.remember(x, whereabouts{found: true, at: at})
	return at, nil
}

func (st *state) findPassage(ctx context.Context, s *Store, x *passage) (at place, err error) {
	_, err = st.locateWhere(ctx, s, x.leaf, func(p place) (err error) {
		at, err = s.reader.passageIn(ctx, p.run, x)
		return err
	})
	if err == nil || !isGone(err) {
		return at, err
	}
	st.mu.RLock()
	view := st.view
	view.Readable = st.scanned
	st.mu.RUnlock()
	if known, ok := st.recall(x); ok && !known.found && known.nowhere == view.Readable {
		return place{}, err
	}
	found, searching := s.searchPassages(ctx, view, []*passage{x})
	if searching != nil {
		return place{}, searching
	}
	if at, ok := found[*x]; ok {
		return at, nil
	}
	st.remember(x, whereabouts{nowhere: view.Readable})
	return place{}, err
}

func (st *state) recall(x *passage) (whereabouts, bool) {
	st.finding.Lock()
	defer st.finding.Unlock()
	known, ok := st.passages[*x]
	return known, ok
}

func (st *state) remember(x *passage, known whereabouts) {
	st.finding.Lock()
	defer st.finding.Unlock()
	if st.passages == nil || len(st.passages) >= maxWhereabouts {
		st.passages = make(map[passage]whereabouts)
	}
	st.passages[*x] = known
}

// spanPlaces is where the blocks of a span are, but for those that are named by their leaf hashes.
type spanPlaces struct {
	runs     *runList
	passages map[uint64]place // by the first block of their part; those that are nowhere are not in it
}

// places finds the passages of the span that e is.
func (cp *checkpoint) places(e *entry, runs *runList) (s *spanPlaces, err error) {
	s = &spanPlaces{runs: runs}
	if e.span.hasPassages() {
		s.passages, err = cp.search.locate(cp.ctx, e, cp.findPassage)
	}
	return s, err
}

// findPassage looks for a passage where the index has its first block.
func (cp *checkpoint) findPassage(x *passage) (place, bool, error) {
	if run, ok := cp.buffered(x.leaf); ok {
		at, ok, err := cp.store.tryPassage(cp.ctx, run, x)
		if ok || err != nil {
			return at, ok, err
		}
	}
	tables, err := cp.openAll(cp.tables, cp.files.indexPath, indexSchema)
	if err != nil {
		return place{}, false, err
	}
	return cp.store.indexedPassage(cp.ctx, &derived{index: tables}, x)
}

// indexedPassage returns where a passage is, if the index leads to it.
func (s *Store) indexedPassage(ctx context.Context, index *derived, x *passage) (at place, ok bool, err error) {
	looking := index.places(ctx, x.leaf, func(p place) bool {
		at, ok, err = s.tryPassage(ctx, p.run, x)
		return !ok && err == nil
	})
	if err == nil {
		err = looking
	}
	return at, ok, err
}

// tryPassage returns where a passage is in a run, if that is there and has it; also in one whose blocks are damaged, which still says which
// they are.
func (s *Store) tryPassage(ctx context.Context, run packlog.Position, x *passage) (at place, ok bool, err error) {
	if !s.log.Current(run) {
		return place{}, false, nil
	}
	at, err = s.reader.passageIn(ctx, run, x)
	if isGone(err) {
		return place{}, false, nil
	}
	return at, err == nil, err
}

// buffered returns the run of a block that the index gained since its last table was written.
func (cp *checkpoint) buffered(leaf hash.Digest) (run packlog.Position, ok bool) {
	if cp.recent == nil {
		cp.recent = make(map[hash.Digest]packlog.Position)
	}
	for ; cp.mapped < len(cp.index); cp.mapped++ {
		if r := cp.index[cp.mapped]; !r.delta {
			cp.recent[r.leaf] = decodePlace(r.place[:]).run
		}
	}
	run, ok = cp.recent[leaf]
	return run, ok
}

// of returns where the first block of a part is that is not named by leaf hashes; ok is false if its run is not there.
func (s *spanPlaces) of(p *spanPart) (at place, ok bool) {
	if p.passage != nil {
		at, ok = s.passages[p.first]
		return at, ok
	}
	run := s.runs.find(p.run)
	if run == nil || uint64(p.at)+p.count > uint64(run.run.count) {
		return place{}, false
	}
	return place{run.at, p.at}, true
}
