package store

import (
	"context"

	"hc/lib/hash"
	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/passages"
	"hc/lib/store/records"
)

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
func (st *state) locatePassage(ctx context.Context, s *Store, x *records.Passage) (place, error) {
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

func (st *state) findPassage(ctx context.Context, s *Store, x *records.Passage) (at place, err error) {
	_, err = st.locateWhere(ctx, s, x.Leaf, func(p place) error {
		in, ok, err := passages.In(ctx, s.reader, p.Run, x)
		if err == nil && !ok {
			err = ErrBlockMissing
		}
		at = in
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
	found, searching := passages.Find(ctx, s.log, view, []*records.Passage{x})
	if searching != nil {
		return place{}, searching
	}
	if at, ok := found[*x]; ok {
		return at, nil
	}
	st.remember(x, whereabouts{nowhere: view.Readable})
	return place{}, err
}

func (st *state) recall(x *records.Passage) (whereabouts, bool) {
	st.finding.Lock()
	defer st.finding.Unlock()
	known, ok := st.passages[*x]
	return known, ok
}

func (st *state) remember(x *records.Passage, known whereabouts) {
	st.finding.Lock()
	defer st.finding.Unlock()
	if st.passages == nil || len(st.passages) >= maxWhereabouts {
		st.passages = make(map[records.Passage]whereabouts)
	}
	st.passages[*x] = known
}

// spanPlaces is where the blocks of a span are, but for those that are named by their leaf hashes.
type spanPlaces struct {
	runs     *records.RunList
	passages map[uint64]place // by the first block of their part; those that are nowhere are not in it
}

// places finds the passages of the span that e is.
func (cp *checkpoint) places(e *records.Entry, runs *records.RunList) (s *spanPlaces, err error) {
	s = &spanPlaces{runs: runs}
	if e.Span.HasPassages() {
		s.passages, err = cp.search.Locate(cp.ctx, e, cp.findPassage)
	}
	return s, err
}

// findPassage looks for a passage where the index has its first block.
func (cp *checkpoint) findPassage(x *records.Passage) (place, bool, error) {
	if run, ok := cp.buffered(x.Leaf); ok {
		at, ok, err := cp.finder.InRun(cp.ctx, run, x)
		if ok || err != nil {
			return at, ok, err
		}
	}
	tables, err := cp.openAll(cp.tables, cp.files.IndexPath, derived.IndexSchema)
	if err != nil {
		return place{}, false, err
	}
	return cp.finder.Indexed(cp.ctx, tables, x)
}

// buffered returns the run of a block that the index gained since its last table was written.
func (cp *checkpoint) buffered(leaf hash.Digest) (run packlog.Position, ok bool) {
	if cp.recent == nil {
		cp.recent = make(map[hash.Digest]packlog.Position)
	}
	for ; cp.mapped < len(cp.index); cp.mapped++ {
		if r := cp.index[cp.mapped]; !r.delta {
			cp.recent[r.leaf] = blockmap.DecodePlace(r.place[:]).Run
		}
	}
	run, ok = cp.recent[leaf]
	return run, ok
}

// of returns where the first block of a part is that is not named by leaf hashes; ok is false if its run is not there.
func (s *spanPlaces) of(p *records.Part) (at place, ok bool) {
	if p.Passage != nil {
		at, ok = s.passages[p.First]
		return at, ok
	}
	run := s.runs.Find(p.Run)
	if run == nil || uint64(p.At)+p.Count > uint64(run.Run.Count) {
		return place{}, false
	}
	return place{Run: run.At, At: p.At}, true
}
