package coalesce

import (
	"bytes"
	"slices"

	"hc/lib/keys"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

const joinableRuns = runs.MostBytes / 2 // bytes of blocks

// shortAppend is an append that may be joined with others.
type shortAppend struct {
	runs  []shortRun
	spans []*records.Span
	raw   int // bytes
	count int // blocks in runs
}

type shortRun struct {
	at   packlog.Position
	meta *records.Run
	data []byte
}

// understandShort returns nil if an append is too long, or has records other than plain runs and spans of them.
func (j *Joiner) understandShort(key keys.Key, held []packlog.Record) (*shortAppend, error) {
	a := &shortAppend{}
	ordinals := make(map[uint32]bool)
	for i := range held {
		switch r := &held[i]; r.Kind {
		case packlog.KindRun:
			meta, data, err := j.out.Recoder.Plain(r, joinableRuns-a.raw)
			if err != nil || meta == nil || ordinals[meta.Ordinal] {
				return nil, err
			}
			ordinals[meta.Ordinal] = true
			a.runs = append(a.runs, shortRun{r.Position, meta, bytes.Clone(data)})
			a.raw, a.count = a.raw+meta.Raw, a.count+meta.Count
			if meta.Short != a.runs[0].meta.Short {
				return nil, nil
			}
		case packlog.KindSpan:
			span, err := records.DecodeSpan(r.Meta)
			if err != nil || span.Key != key {
				return nil, nil
			}
			a.spans = append(a.spans, span)
		default:
			return nil, nil
		}
	}
	if len(a.spans) == 0 || !a.whole() {
		return nil, nil
	}
	return a, nil
}

// whole reports whether all runs that spans name are there.
func (a *shortAppend) whole() bool {
	for _, span := range a.spans {
		for _, p := range span.Parts {
			if !p.InRun() {
				continue
			}
			i := slices.IndexFunc(a.runs, func(r shortRun) bool { return r.meta.Ordinal == p.Run })
			if i < 0 || uint64(p.At)+p.Count > uint64(a.runs[i].meta.Count) {
				return false
			}
		}
	}
	return true
}
