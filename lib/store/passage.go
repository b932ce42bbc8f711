package store

import (
	"context"

	"hc/lib/store/packlog"
	"hc/lib/store/passages"
	"hc/lib/store/records"
)

// maxWhereabouts is the number of passages whose places a tail remembers.
const maxWhereabouts = 4 << 10

// whereabouts is what is known of a passage: where it is, or that no run up to a position in the log has it. Without
// the latter, each request for a block of it would cost a search.
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
