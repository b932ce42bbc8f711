package coalesce

import (
	"slices"

	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

// OldRun is a run that was joined into another one.
type OldRun struct {
	At    packlog.Position // where it was
	First uint32           // the number of its first block in that one
}

// joinedAppend is several appends that are becoming one, with one run.
type joinedAppend struct {
	meta  records.Run
	raw   []byte
	lines bool // all blocks are lines, and all but the last end with LF
	olds  []OldRun
	spans []*records.Span
	head  packlog.Record
	bytes int
}

// fits reports whether an append may be joined to the others.
func (o *joinedAppend) fits(a *shortAppend) bool {
	most := records.MaxRunBlocks
	if o.meta.Short {
		most = runs.MostShortBlocks
	}
	if len(o.raw)+a.raw > runs.MostBytes || o.meta.Count+a.count > most || o.bytes > heldAppend {
		return false
	}
	if len(o.olds) > 0 && len(a.runs) > 0 && o.meta.Short != a.runs[0].meta.Short {
		return false
	}
	last, next := o.spans[len(o.spans)-1], a.spans[0]
	return last.Append == next.Append && (!last.Append || last.Parts[len(last.Parts)-1].End() == next.First)
}

func (o *joinedAppend) add(a *shortAppend) {
	deltas := make(map[uint32]uint32, len(a.runs))
	for _, r := range a.runs {
		delta := uint32(o.meta.Count)
		deltas[r.meta.Ordinal] = delta
		o.olds = append(o.olds, OldRun{r.at, delta})
		o.addRun(r)
	}
	for _, span := range a.spans {
		for i := range span.Parts {
			if p := &span.Parts[i]; p.InRun() {
				p.Run, p.At = 0, p.At+deltas[p.Run]
			}
		}
		o.addSpan(span)
	}
}

func (o *joinedAppend) addRun(r shortRun) {
	o.lines = o.lines && r.meta.Lines && (len(o.raw) == 0 || o.raw[len(o.raw)-1] == '\n')
	ends, _ := r.meta.Split(r.data) // Plain has split it before
	start := uint32(0)
	for _, end := range ends {
		o.meta.Lengths = append(o.meta.Lengths, end-start)
		start = end
	}
	o.meta.Short = r.meta.Short
	o.meta.Leaves = append(o.meta.Leaves, r.meta.Leaves...)
	o.meta.Count += r.meta.Count
	o.meta.Raw += r.meta.Raw
	o.raw = append(o.raw, r.data...)
	o.bytes += len(r.data) + (4+hash.Size)*r.meta.Count
}

// addSpan joins a span to the last one, if it continues that one.
func (o *joinedAppend) addSpan(span *records.Span) {
	o.bytes += len(span.Parts)*64 + len(span.Roots)*56
	for _, p := range span.Parts {
		o.bytes += len(p.ByLeaf) * (8 + hash.Size)
	}
	n := len(o.spans)
	if n == 0 {
		o.spans = append(o.spans, span)
		return
	}
	last := o.spans[n-1]
	end, blocks := last.Parts[len(last.Parts)-1].End(), uint64(0)
	for _, p := range slices.Concat(last.Parts, span.Parts) {
		blocks += p.Count
	}
	if span.Append != last.Append || span.First < end || span.Append && span.First != end || blocks > records.MaxSpanBlocks {
		o.spans = append(o.spans, span)
		return
	}
	for _, p := range span.Parts {
		q := &last.Parts[len(last.Parts)-1]
		follows := q.End() == p.First && (q.ByLeaf == nil) == (p.ByLeaf == nil) && q.Passage == nil && p.Passage == nil
		switch {
		case follows && p.ByLeaf != nil:
			q.ByLeaf, q.Count = append(q.ByLeaf, p.ByLeaf...), q.Count+p.Count
		case follows && q.Run == p.Run && uint64(q.At)+q.Count == uint64(p.At):
			q.Count += p.Count
		default:
			last.Parts = append(last.Parts, p)
		}
	}
	roots := merkle.NewCover(last.Roots)
	for _, n := range span.Roots {
		roots.Add(n)
	}
	last.Roots = roots.Nodes()
}
