package store

import (
	"context"
	"errors"

	"hc/lib/hash"
	"hc/lib/store/packlog"
)

// mostSought is how many passages are looked for in one search of the log.
const mostSought = 64 << 10

// passageSearch finds passages of span after span where the index does not. Searching all of the log for each span would cost the more, the
// more spans there are; so a search looks for those of the spans that follow, too. Its memory is bounded.
type passageSearch struct {
	store  *Store
	view   packlog.View
	sought map[passage]bool // of those in found, and those that no run has
	found  map[passage]place
}

// locate returns where the passages of the span that e is are, by their first blocks. find looks in the index.
func (p *passageSearch) locate(ctx context.Context, e *entry, find func(*passage) (place, bool, error)) (map[uint64]place, error) {
	places := make(map[uint64]place)
	var lost []spanPart
	for _, part := range e.span.parts {
		if part.passage == nil {
			continue
		}
		at, ok, err := find(part.passage)
		switch {
		case err != nil:
			return nil, err
		case ok:
			places[part.first] = at
		default:
			lost = append(lost, part)
		}
	}
	if err := p.search(ctx, e.at, lost); err != nil {
		return nil, err
	}
	for _, part := range lost {
		if at, ok := p.found[*part.passage]; ok {
			places[part.first] = at
		}
	}
	return places, nil
}

// search looks for those of the parts that were not looked for yet, and for what the spans from a position on name.
func (p *passageSearch) search(ctx context.Context, from packlog.Position, parts []spanPart) error {
	known := true
	for _, part := range parts {
		known = known && p.sought[*part.passage]
	}
	if known {
		return nil
	}
	p.sought = make(map[passage]bool)
	var list []*passage
	seek := func(x *passage) error {
		if !p.sought[*x] {
			p.sought[*x] = true
			list = append(list, x)
		}
		return nil
	}
	for _, part := range parts {
		_ = seek(part.passage)
	}
	err := p.store.log.Scan(ctx, p.view, from, false, func(r packlog.Record) error {
		if r.Kind != packlog.KindSpan {
			return nil
		}
		if len(list) >= mostSought {
			return errSoughtEnough
		}
		e, err := understand(r)
		if err != nil {
			return nil // it counts for nothing
		}
		return e.eachPassage(seek)
	})
	if err != nil && !errors.Is(err, errSoughtEnough) {
		return err
	}
	p.found, err = p.store.searchPassages(ctx, p.view, list)
	return err
}

// errSoughtEnough ends a scan.
var errSoughtEnough = errors.New("enough passages to look for")

// searchPassages looks through the whole log for what the index does not find: it names one run of a block, and there may be others
// in which what follows is not the same. Runs of appends that are not committed do not count.
func (s *Store) searchPassages(ctx context.Context, view packlog.View, list []*passage) (map[passage]place, error) {
	wanted := make(map[hash.Digest][]*passage)
	for _, x := range list {
		wanted[x.leaf] = append(wanted[x.leaf], x)
	}
	found := make(map[passage]place)
	open := make(map[packlog.AppendID]map[passage]place)
	err := s.log.Scan(ctx, view, packlog.Position{}, false, func(r packlog.Record) error {
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
		m, err := decodeRun(r.Meta)
		if err != nil {
			return nil // it is told of as damage where its append is read
		}
		for i, leaf := range m.leaves {
			for _, x := range wanted[leaf] {
				if !x.at(m, i) {
					continue
				}
				if open[r.Append] == nil {
					open[r.Append] = make(map[passage]place)
				}
				open[r.Append][*x] = place{r.Position, uint32(i)}
			}
		}
		return nil
	})
	return found, err
}
