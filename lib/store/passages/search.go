package passages

import (
	"context"
	"errors"

	"hc/lib/hash"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

// mostSought is how many passages are looked for in one search of the log.
const mostSought = 64 << 10

// Search finds the passages of one span after another, even those that an index does not lead to. Searching the whole
// log for each span would cost more the more spans there are; so a search also looks for the passages of later spans.
// Its memory is bounded. Not for concurrent use.
type Search struct {
	log    *packlog.Log
	view   packlog.View
	sought map[records.Passage]bool // passages in found, and those that no run has
	found  map[records.Passage]runs.Place
}

// NewSearch returns a Search through a log up to the end of a view.
func NewSearch(log *packlog.Log, view packlog.View) *Search {
	return &Search{log: log, view: view}
}

// Locate returns where the passages of span e are, by their first blocks; those that no run has are missing. find looks
// in an index.
func (p *Search) Locate(ctx context.Context, e *records.Entry, find func(*records.Passage) (runs.Place, bool, error)) (map[uint64]runs.Place, error) {
	places := make(map[uint64]runs.Place)
	var lost []records.Part
	for _, part := range e.Span.Parts {
		if part.Passage == nil {
			continue
		}
		at, ok, err := find(part.Passage)
		switch {
		case err != nil:
			return nil, err
		case ok:
			places[part.First] = at
		default:
			lost = append(lost, part)
		}
	}
	if err := p.search(ctx, e.At, lost); err != nil {
		return nil, err
	}
	for _, part := range lost {
		if at, ok := p.found[*part.Passage]; ok {
			places[part.First] = at
		}
	}
	return places, nil
}

// search looks for the passages of parts, unless it has done so before, and for those of the spans from a position on.
func (p *Search) search(ctx context.Context, from packlog.Position, parts []records.Part) error {
	known := true
	for _, part := range parts {
		known = known && p.sought[*part.Passage]
	}
	if known {
		return nil
	}
	p.sought = make(map[records.Passage]bool)
	var list []*records.Passage
	seek := func(x *records.Passage) error {
		if !p.sought[*x] {
			p.sought[*x] = true
			list = append(list, x)
		}
		return nil
	}
	for _, part := range parts {
		_ = seek(part.Passage)
	}
	err := p.log.Scan(ctx, p.view, from, false, func(r packlog.Record) error {
		if r.Kind != packlog.KindSpan {
			return nil
		}
		if len(list) >= mostSought {
			return errSoughtEnough
		}
		e, err := records.Decode(r)
		if err != nil {
			return nil // it does not count
		}
		return e.EachPassage(seek)
	})
	if err != nil && !errors.Is(err, errSoughtEnough) {
		return err
	}
	p.found, err = Find(ctx, p.log, p.view, list)
	return err
}

// errSoughtEnough ends a scan.
var errSoughtEnough = errors.New("enough passages to look for")

// Find searches the whole log, up to the end of a view, for passages, and returns where they are; those that no run has
// are missing. Runs of appends that are not committed do not count.
func Find(ctx context.Context, log *packlog.Log, view packlog.View, list []*records.Passage) (map[records.Passage]runs.Place, error) {
	wanted := make(map[hash.Digest][]*records.Passage)
	for _, x := range list {
		wanted[x.Leaf] = append(wanted[x.Leaf], x)
	}
	found := make(map[records.Passage]runs.Place)
	open := make(map[packlog.AppendID]map[records.Passage]runs.Place)
	err := log.Scan(ctx, view, packlog.Position{}, false, func(r packlog.Record) error {
		if r.Commit {
			for x, at := range open[r.Append] {
				found[x] = at
			}
			delete(open, r.Append)
			return nil
		}
		if r.Kind != packlog.KindRun {
			return nil
		}
		m, err := records.DecodeRun(r.Meta)
		if err != nil {
			return nil // it is reported as damage where its append is read
		}
		for i, leaf := range m.Leaves {
			for _, x := range wanted[leaf] {
				if !x.At(m, i) {
					continue
				}
				if open[r.Append] == nil {
					open[r.Append] = make(map[records.Passage]runs.Place)
				}
				open[r.Append][*x] = runs.Place{Run: r.Position, At: uint32(i)}
			}
		}
		return nil
	})
	return found, err
}
