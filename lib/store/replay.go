package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hc/lib/keys"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

// pendingLimit is how many bytes of memory are for the records of appends whose head has not come. Records over it are read a
// second time when it comes.
const pendingLimit = 3 << 20

// entryCost is what an entry takes in memory beside the bytes of its meta.
const entryCost = 600

// appendRecords is the records of an append whose head has not come yet.
type appendRecords struct {
	id      packlog.AppendID
	first   packlog.Position
	entries []*records.Entry
	size    int
	spilled bool // entries are not held: to be read again from first on
}

// committed is a whole append.
type committed struct {
	key  keys.Key
	head Head
	at   packlog.Position // of the head
	// each calls fn for the records before the head, in order, but for those that were damaged. It may be called once.
	each func(fn func(*records.Entry) error) error
}

// replay turns the log's records into whole appends. Not for concurrent use.
type replay struct {
	log     *packlog.Log
	pending map[packlog.AppendID]*appendRecords
	held    int // bytes of memory that entries in pending take
	bytes   int // of all records that went through
	damaged func(error)
}

func newReplay(log *packlog.Log, open []derived.OpenAppend, damaged func(error)) *replay {
	r := &replay{log: log, pending: make(map[packlog.AppendID]*appendRecords), damaged: damaged}
	for _, o := range open {
		r.pending[o.ID] = &appendRecords{id: o.ID, first: o.First, spilled: true}
	}
	return r
}

// open returns the appends whose head has not come, oldest first.
func (r *replay) open() []derived.OpenAppend {
	var open []derived.OpenAppend
	for _, p := range r.pending {
		open = append(open, derived.OpenAppend{ID: p.id, First: p.first})
	}
	slices.SortFunc(open, func(a, b derived.OpenAppend) int {
		if a.First.Less(b.First) {
			return -1
		}
		return 1
	})
	return open
}

// run reads the log from a position to the view's end and calls apply for each append whose head it finds.
func (r *replay) run(ctx context.Context, view packlog.View, from packlog.Position, apply func(*committed) error) error {
	return r.log.Scan(ctx, view, from, false, func(record packlog.Record) error { return r.take(ctx, view, record, apply) })
}

// take takes the next record.
func (r *replay) take(ctx context.Context, view packlog.View, record packlog.Record, apply func(*committed) error) error {
	r.bytes += len(record.Meta) + record.PayloadLen
	if !record.Commit {
		r.hold(record)
		return nil
	}
	p := r.pending[record.Append]
	delete(r.pending, record.Append)
	if p != nil {
		r.held -= p.size
	}
	head, err := records.Decode(record)
	if err != nil {
		r.damaged(err)
		return nil
	}
	if head.Kind != packlog.KindHead {
		r.damaged(fmt.Errorf("record at %v: %w: kind %d commits", record.Position, records.ErrMalformed, record.Kind))
		return nil
	}
	c := &committed{key: head.Key, head: head.Head, at: record.Position}
	c.each = func(fn func(*records.Entry) error) error { return r.each(ctx, view, p, head, fn) }
	return apply(c)
}

// hold keeps a record until its head comes.
func (r *replay) hold(record packlog.Record) {
	p := r.pending[record.Append]
	if p == nil {
		p = &appendRecords{id: record.Append, first: record.Position}
		r.pending[record.Append] = p
	}
	if p.spilled {
		return
	}
	e, err := records.Decode(record)
	if err != nil {
		r.damaged(err)
		return
	}
	p.entries = append(p.entries, e)
	p.size += e.Size + entryCost
	r.held += e.Size + entryCost
	if r.held > pendingLimit {
		r.spill()
	}
}

// spill lets go of the records of the append that has the most.
func (r *replay) spill() {
	var largest *appendRecords
	for _, p := range r.pending {
		if largest == nil || p.size > largest.size {
			largest = p
		}
	}
	r.held -= largest.size
	largest.entries, largest.size, largest.spilled = nil, 0, true
}

var errHeadReached = errors.New("head reached")

// each goes through the records of an append that its head commits.
func (r *replay) each(ctx context.Context, view packlog.View, p *appendRecords, head *records.Entry, fn func(*records.Entry) error) error {
	if p == nil {
		return nil
	}
	if !p.spilled {
		for _, e := range p.entries {
			if err := r.checked(e, head, fn); err != nil {
				return err
			}
		}
		return nil
	}
	err := r.log.Scan(ctx, view, p.first, false, func(record packlog.Record) error {
		if !record.Position.Less(head.At) {
			return errHeadReached
		}
		if record.Append != p.id {
			return nil
		}
		e, err := records.Decode(record)
		if err != nil {
			r.damaged(err)
			return nil
		}
		return r.checked(e, head, fn)
	})
	if errors.Is(err, errHeadReached) {
		return nil
	}
	return err
}

// checked passes a record on that belongs to the head's core.
func (r *replay) checked(e, head *records.Entry, fn func(*records.Entry) error) error {
	if e.Kind != packlog.KindRun && e.Key != head.Key {
		r.damaged(fmt.Errorf("record at %v: %w: it is of core %v in an append to core %v", e.At, records.ErrMalformed, e.Key, head.Key))
		return nil
	}
	return fn(e)
}
