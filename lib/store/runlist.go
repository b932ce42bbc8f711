package store

import (
	"hc/lib/merkle"
)

// runList is the runs of an append that a span may still name, ascending by their numbers.
type runList struct{ runs []*entry }

func (l *runList) add(e *entry) {
	if n := len(l.runs); n > 0 && l.runs[n-1].run.ordinal >= e.run.ordinal {
		return // a second run of that number
	}
	l.runs = append(l.runs, e)
}

// forget drops the runs before the lowest one that a span names; no later one names them.
func (l *runList) forget(span *spanMeta) {
	lowest := span.lowestRun()
	if lowest == noRun {
		return
	}
	i := 0
	for i < len(l.runs) && uint64(l.runs[i].run.ordinal) < lowest {
		l.runs[i] = nil
		i++
	}
	l.runs = l.runs[i:]
}

// find returns the run of that number, nil if it is not there.
func (l *runList) find(ordinal uint32) *entry {
	lo, hi := 0, len(l.runs)
	for lo < hi {
		mid := (lo + hi) / 2
		if l.runs[mid].run.ordinal < ordinal {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(l.runs) && l.runs[lo].run.ordinal == ordinal {
		return l.runs[lo]
	}
	return nil
}

// leaves calls fn for the leaf nodes of a span's blocks, as far as they can be told without a payload.
func (l *runList) leaves(span *spanMeta, fn func(merkle.Node) error) error {
	for _, p := range span.parts {
		if p.byLeaf != nil {
			for i, ref := range p.byLeaf {
				if err := fn(merkle.LeafNodeHash(p.first+uint64(i), ref.size, ref.leaf)); err != nil {
					return err
				}
			}
			continue
		}
		if p.passage != nil {
			continue // of an append span, whose nodes are computed
		}
		e := l.find(p.run)
		if e == nil || e.run.short || uint64(p.at)+p.count > uint64(e.run.count) {
			continue
		}
		for i := range p.count {
			at := uint64(p.at) + i
			if err := fn(merkle.LeafNodeHash(p.first+i, uint64(e.run.lengths[at]), e.run.leaves[at])); err != nil {
				return err
			}
		}
	}
	return nil
}
