package store

import (
	"context"

	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

const (
	// mostWrote is how many bytes of the records of a transaction, without the payloads of runs, are held for the checkpoint behind its
	// commit: those of 4 GiB in blocks of 64 KiB. A longer transaction is read back: its memory does not depend on how much it writes.
	mostWrote = 4 << 20
	// mostLearnt is how many of them are taken into the state at the commit, whether or not somebody looks at that again.
	mostLearnt = 1 << 20
	// recordCost is what a record costs in memory beside its bytes.
	recordCost = 128
)

// wroteRecords is what a transaction wrote, without the payloads.
type wroteRecords struct {
	id         packlog.AppendID
	records    []wroteRecord
	first, end packlog.Position // of the first one, and behind the last
	bytes      int
	over       bool // it was too much, or somebody else wrote between, or it goes on in another pack: there is nothing
}

// wroteRecord is a record of them. Its bytes are not copied: nobody changes them.
type wroteRecord struct {
	kind    packlog.Kind
	meta    []byte
	payload int    // bytes
	offset  uint64 // in the pack
}

// add notes a batch that was written.
func (w *wroteRecords) add(records []packlog.Record, at []packlog.Position) {
	for i, r := range records {
		if len(w.records) == 0 {
			w.first, w.end = at[i], at[i]
		}
		w.bytes += len(r.Meta) + recordCost
		if w.over = w.over || w.bytes > mostWrote || at[i] != w.end; w.over {
			w.records = nil
			return
		}
		w.end = r.Behind(at[i])
		w.records = append(w.records, wroteRecord{kind: r.Kind, meta: r.Meta, payload: r.Length(), offset: at[i].Offset})
	}
}

// record returns a record as a scan of the log would. The last one is the head that commits them.
func (w *wroteRecords) record(i int) packlog.Record {
	at := w.first
	at.Offset = w.records[i].offset
	return packlog.Record{
		Kind: w.records[i].kind, Append: w.id, Commit: i == len(w.records)-1, Position: at,
		Meta: w.records[i].meta, PayloadLen: w.records[i].payload,
	}
}

// learnOwn takes what a transaction has just committed into the state, where it follows what is there: so nobody has to read it
// back. The last record is its head.
func (s *Store) learnOwn(ctx context.Context, wrote *wroteRecords) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil || len(wrote.records) == 0 || wrote.bytes > mostLearnt || wrote.first != s.state.scanned {
		return // it is read when somebody looks
	}
	if err := s.state.learn(ctx, wrote); err != nil {
		s.state = nil
	}
}

func (st *state) learn(ctx context.Context, wrote *wroteRecords) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	view := st.view
	view.Readable = wrote.end
	for i := range wrote.records {
		if err := st.replay.take(ctx, view, wrote.record(i), func(c *committed) error { return st.apply(ctx, c) }); err != nil {
			return err
		}
	}
	st.scanned = wrote.end
	return nil
}

// read takes in the log from a position on. An append that this process has just committed is not read back: what was written is at
// hand.
func (cp *checkpoint) read(from packlog.Position) error {
	if !cp.knows(from, cp.own) {
		return cp.replay.run(cp.ctx, cp.view, from, cp.apply)
	}
	if from.Less(cp.own.first) {
		before := cp.view
		before.Readable = cp.own.first
		if err := cp.replay.run(cp.ctx, before, from, cp.apply); err != nil {
			return err
		}
	}
	if err := cp.replay.takeWhole(cp.own, cp.apply); err != nil {
		return err
	}
	if !cp.own.end.Less(cp.view.Readable) {
		return nil
	}
	return cp.replay.run(cp.ctx, cp.view, cp.own.end, cp.apply)
}

// knows reports whether an append stands in the log where it was written, whole behind a position and before what may be read. Packs
// are not rewritten while the checkpoint's lock is held.
func (cp *checkpoint) knows(from packlog.Position, own *wroteRecords) bool {
	if own == nil || len(own.records) == 0 || own.first.Less(from) || cp.view.Readable.Less(own.end) {
		return false
	}
	return cp.store.log.Current(own.first) && cp.store.log.Current(own.record(len(own.records)-1).Position)
}

// takeWhole is take for all records of an append.
func (r *replay) takeWhole(own *wroteRecords, apply func(*committed) error) error {
	last := len(own.records) - 1
	head, err := records.Decode(own.record(last))
	if err != nil {
		return err
	}
	return apply(&committed{key: head.Key, head: head.Head, at: head.At, each: func(fn func(*records.Entry) error) error {
		for i := range last {
			e, err := records.Decode(own.record(i))
			if err != nil {
				return err
			}
			if err := r.checked(e, head, fn); err != nil {
				return err
			}
		}
		return nil
	}})
}
