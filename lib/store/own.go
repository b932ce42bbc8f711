package store

import (
	"context"

	"hc/lib/store/packlog"
)

// mostWrote is how many bytes of the records of a transaction, without the payloads of runs, are held to be taken in at its commit.
// A longer transaction is read back by who looks next: its memory does not depend on how much it writes.
const mostWrote = 1 << 20

// recordCost is what a record costs in memory beside its bytes.
const recordCost = 128

// wroteRecords is what a transaction wrote, without the payloads.
type wroteRecords struct {
	records []packlog.Record
	at      []packlog.Position
	end     packlog.Position // behind the last one
	bytes   int
	over    bool // it was too much, or somebody else wrote between: there is nothing
}

// add notes a batch that was written. The bytes of metas are not copied: nobody changes them.
func (w *wroteRecords) add(records []packlog.Record, at []packlog.Position) {
	for i, r := range records {
		w.bytes += len(r.Meta) + recordCost
		if w.over = w.over || w.bytes > mostWrote || len(w.at) > 0 && at[i] != w.end; w.over {
			w.records, w.at = nil, nil
			return
		}
		w.end = r.Behind(at[i])
		r.PayloadLen, r.Payload, r.Pieces = r.Length(), nil, nil
		w.records, w.at = append(w.records, r), append(w.at, at[i])
	}
}

// learnOwn takes what a transaction has just committed into the state, where it follows what is there: so nobody has to read it
// back. The last record is its head.
func (s *Store) learnOwn(ctx context.Context, id packlog.AppendID, wrote wroteRecords) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil || len(wrote.at) == 0 || wrote.at[0] != s.state.scanned {
		return // it is read when somebody looks
	}
	if err := s.state.learn(ctx, id, wrote); err != nil {
		s.state = nil
	}
}

func (st *state) learn(ctx context.Context, id packlog.AppendID, wrote wroteRecords) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	view := st.view
	view.Readable = wrote.end
	for i, r := range wrote.records {
		r.Append, r.Commit, r.Position = id, i == len(wrote.records)-1, wrote.at[i]
		if err := st.replay.take(ctx, view, r, func(c *committed) error { return st.apply(ctx, c) }); err != nil {
			return err
		}
	}
	st.scanned = wrote.end
	return nil
}
