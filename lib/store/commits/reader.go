package commits

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

// pendingLimit is how many bytes of memory may hold records of appends whose head has not come. Records beyond that are
// read a second time when the head comes.
const pendingLimit = 3 << 20

// entryCost is what an entry takes in memory besides the bytes of its meta.
const entryCost = 600

// pendingAppend is the records of an append whose head has not come yet.
type pendingAppend struct {
	id      packlog.AppendID
	first   packlog.Position
	entries []*records.Entry
	size    int
	spilled bool // entries are not held, but read again from first on
}

// Commit is a whole append.
type Commit struct {
	Key  keys.Key
	Head records.Head
	At   packlog.Position // of the head
	// Each calls fn for the records before the head, in order, except damaged ones. It may be called once, before the
	// next commit comes.
	Each func(fn func(*records.Entry) error) error
}

// Reader turns the log's records into whole appends. Not for concurrent use.
type Reader struct {
	log     *packlog.Log
	pending map[packlog.AppendID]*pendingAppend
	held    int // bytes of memory that entries in pending take
	went    int // bytes of all records read
	damaged func(error)
}

// NewReader returns a Reader for a log. The open appends have records before the part that will be read, and their
// heads, if anywhere, in it. damaged is called for records that the Reader skips.
func NewReader(log *packlog.Log, open []derived.OpenAppend, damaged func(error)) *Reader {
	r := &Reader{log: log, pending: make(map[packlog.AppendID]*pendingAppend), damaged: damaged}
	for _, o := range open {
		r.pending[o.ID] = &pendingAppend{id: o.ID, first: o.First, spilled: true}
	}
	return r
}

// Bytes returns how many bytes of records were read.
func (r *Reader) Bytes() int { return r.went }

// Open returns the appends whose head has not come, oldest first.
func (r *Reader) Open() []derived.OpenAppend {
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

// Run reads the log from a position to the view's end and calls apply for each append whose head it finds.
func (r *Reader) Run(ctx context.Context, view packlog.View, from packlog.Position, apply func(*Commit) error) error {
	return r.log.Scan(ctx, view, from, false, func(record packlog.Record) error { return r.take(ctx, view, record, apply) })
}

// take takes the next record.
func (r *Reader) take(ctx context.Context, view packlog.View, record packlog.Record, apply func(*Commit) error) error {
	r.went += len(record.Meta) + record.PayloadLen
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
	c := &Commit{Key: head.Key, Head: head.Head, At: record.Position}
	c.Each = func(fn func(*records.Entry) error) error { return r.each(ctx, view, p, head, fn) }
	return apply(c)
}

// hold keeps a record until its head comes.
func (r *Reader) hold(record packlog.Record) {
	p := r.pending[record.Append]
	if p == nil {
		p = &pendingAppend{id: record.Append, first: record.Position}
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

// spill drops the records of the append that has the most.
func (r *Reader) spill() {
	var largest *pendingAppend
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
func (r *Reader) each(ctx context.Context, view packlog.View, p *pendingAppend, head *records.Entry, fn func(*records.Entry) error) error {
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

// checked passes on a record, if it belongs to the head's core.
func (r *Reader) checked(e, head *records.Entry, fn func(*records.Entry) error) error {
	if e.Kind != packlog.KindRun && e.Key != head.Key {
		r.damaged(fmt.Errorf("record at %v: %w: it belongs to core %v, its append to core %v", e.At, records.ErrMalformed, e.Key, head.Key))
		return nil
	}
	return fn(e)
}

// TakeOwn takes what this process has just committed, right after what was read so far, as Run would.
func (r *Reader) TakeOwn(ctx context.Context, view packlog.View, own *Written, apply func(*Commit) error) error {
	for i := range own.records {
		if err := r.take(ctx, view, own.record(i), apply); err != nil {
			return err
		}
	}
	return nil
}

// TakeWhole calls apply for what this process has just committed, whatever was read so far.
func (r *Reader) TakeWhole(own *Written, apply func(*Commit) error) error {
	last := len(own.records) - 1
	head, err := records.Decode(own.record(last))
	if err != nil {
		return err
	}
	return apply(&Commit{Key: head.Key, Head: head.Head, At: head.At, Each: func(fn func(*records.Entry) error) error {
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
