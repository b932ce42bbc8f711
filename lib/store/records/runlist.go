package records

import (
	"hc/lib/merkle"
)

// RunList is the runs of an append that spans may still name, in ascending order of their ordinals.
type RunList struct{ runs []*Entry }

func (l *RunList) Add(e *Entry) {
	if n := len(l.runs); n > 0 && l.runs[n-1].Run.Ordinal >= e.Run.Ordinal {
		return // a second run with that ordinal
	}
	l.runs = append(l.runs, e)
}

// Forget drops the runs before the lowest one that a span names; no later span names them.
func (l *RunList) Forget(span *Span) {
	lowest := span.LowestRun()
	if lowest == noRun {
		return
	}
	i := 0
	for i < len(l.runs) && uint64(l.runs[i].Run.Ordinal) < lowest {
		l.runs[i] = nil
		i++
	}
	l.runs = l.runs[i:]
}

// Find returns the run with that ordinal, nil if it is not there.
func (l *RunList) Find(ordinal uint32) *Entry {
	lo, hi := 0, len(l.runs)
	for lo < hi {
		mid := (lo + hi) / 2
		if l.runs[mid].Run.Ordinal < ordinal {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(l.runs) && l.runs[lo].Run.Ordinal == ordinal {
		return l.runs[lo]
	}
	return nil
}

// Leaves calls fn for the leaf nodes of a span's blocks, as far as they are known without a payload.
func (l *RunList) Leaves(span *Span, fn func(merkle.Node) error) error {
	for _, p := range span.Parts {
		if p.ByLeaf != nil {
			for i, ref := range p.ByLeaf {
				if err := fn(merkle.LeafNodeHash(p.First+uint64(i), ref.Size, ref.Leaf)); err != nil {
					return err
				}
			}
			continue
		}
		if p.Passage != nil {
			continue // of an append span, whose nodes are computed
		}
		e := l.Find(p.Run)
		if e == nil || e.Run.Short || uint64(p.At)+p.Count > uint64(e.Run.Count) {
			continue
		}
		for i := range p.Count {
			at := uint64(p.At) + i
			if err := fn(merkle.LeafNodeHash(p.First+i, uint64(e.Run.Lengths[at]), e.Run.Leaves[at])); err != nil {
				return err
			}
		}
	}
	return nil
}
