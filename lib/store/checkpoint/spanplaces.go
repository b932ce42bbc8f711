package checkpoint

import (
	"hc/lib/hash"
	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

// spanPlaces says where the blocks of a span are, except those named by their leaf hashes.
type spanPlaces struct {
	runs     *records.RunList
	passages map[uint64]runs.Place // by the first block of their part; those that no run has are missing
}

// places finds the passages of span e.
func (cp *Writer) places(e *records.Entry, list *records.RunList) (s *spanPlaces, err error) {
	s = &spanPlaces{runs: list}
	if e.Span.HasPassages() {
		s.passages, err = cp.search.Locate(cp.ctx, e, cp.findPassage)
	}
	return s, err
}

// findPassage looks for a passage where the index has its first block.
func (cp *Writer) findPassage(x *records.Passage) (runs.Place, bool, error) {
	if run, ok := cp.buffered(x.Leaf); ok {
		at, ok, err := cp.finder.InRun(cp.ctx, run, x)
		if ok || err != nil {
			return at, ok, err
		}
	}
	tables, err := cp.openAll(cp.tables, cp.files.IndexPath, derived.IndexSchema)
	if err != nil {
		return runs.Place{}, false, err
	}
	return cp.finder.Indexed(cp.ctx, tables, x)
}

// buffered returns the run of a block that was added to the index since its last table was written.
func (cp *Writer) buffered(leaf hash.Digest) (run packlog.Position, ok bool) {
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

// of returns where the first block of a part is; the part is not named by leaf hashes. ok is false if its run is not
// there.
func (s *spanPlaces) of(p *records.Part) (at runs.Place, ok bool) {
	if p.Passage != nil {
		at, ok = s.passages[p.First]
		return at, ok
	}
	run := s.runs.Find(p.Run)
	if run == nil || uint64(p.At)+p.Count > uint64(run.Run.Count) {
		return runs.Place{}, false
	}
	return runs.Place{Run: run.At, At: p.At}, true
}
