package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
)

// pendingLimit is how many bytes of memory are for the records of appends whose head has not come. Records over it are read a
// second time when it comes.
const pendingLimit = 3 << 20

// entryCost is what an entry takes in memory beside the bytes of its meta.
const entryCost = 600

// entry is a record of the log, understood. Exactly one of the pointers, or what kind says, is set.
type entry struct {
	kind     packlog.Kind
	at       packlog.Position
	size     int // bytes of the meta
	stored   packlog.Payload
	key      keys.Key
	run      *runMeta
	span     *spanMeta
	nodes    []merkle.Node
	manifest []byte
	truncate *truncateMeta
	clear    clearMeta
	head     Head
	settled  bool
}

// understand decodes a record. Nothing of it is kept by reference. A record that cannot be understood is damage.
func understand(r packlog.Record) (*entry, error) {
	e := &entry{kind: r.Kind, at: r.Position, size: len(r.Meta), stored: r.Stored}
	var err error
	switch r.Kind {
	case packlog.KindRun:
		e.run, err = decodeRun(r.Meta)
	case packlog.KindSpan:
		if e.span, err = decodeSpan(r.Meta); err == nil {
			e.key = e.span.key
		}
	case packlog.KindNodes:
		e.key, e.nodes, err = decodeNodes(r.Meta)
	case packlog.KindHead:
		e.key, e.head, err = decodeHead(r.Meta)
	case packlog.KindCore:
		e.key, e.manifest, err = decodeCore(r.Meta)
	case packlog.KindTruncate:
		if e.truncate, err = decodeTruncate(r.Meta); err == nil {
			e.key = e.truncate.key
		}
	case packlog.KindClear:
		e.clear, err = decodeClear(r.Meta)
		e.key = e.clear.key
	case packlog.KindDrop:
		e.key, err = decodeDrop(r.Meta)
	case packlog.KindSeen:
		e.key, e.head, e.settled, err = decodeSeen(r.Meta)
	default:
		err = fmt.Errorf("%w: kind %d is unknown: this store was written by a newer program", errMeta, r.Kind)
	}
	if err != nil {
		return nil, fmt.Errorf("record at %v: %w", r.Position, err)
	}
	return e, nil
}

// appendRecords is the records of an append whose head has not come yet.
type appendRecords struct {
	id      packlog.AppendID
	first   packlog.Position
	entries []*entry
	size    int
	spilled bool // entries are not held: to be read again from first on
}

// committed is a whole append.
type committed struct {
	key  keys.Key
	head Head
	at   packlog.Position // of the head
	// each calls fn for the records before the head, in order, but for those that were damaged. It may be called once.
	each func(fn func(*entry) error) error
}

// replay turns the log's records into whole appends. Not for concurrent use.
type replay struct {
	log     *packlog.Log
	pending map[packlog.AppendID]*appendRecords
	held    int // bytes of memory that entries in pending take
	bytes   int // of all records that went through
	damaged func(error)
}

func newReplay(log *packlog.Log, open []openAppend, damaged func(error)) *replay {
	r := &replay{log: log, pending: make(map[packlog.AppendID]*appendRecords), damaged: damaged}
	for _, o := range open {
		r.pending[o.id] = &appendRecords{id: o.id, first: o.first, spilled: true}
	}
	return r
}

// open returns the appends whose head has not come, oldest first.
func (r *replay) open() []openAppend {
	var open []openAppend
	for _, p := range r.pending {
		open = append(open, openAppend{id: p.id, first: p.first})
	}
	slices.SortFunc(open, func(a, b openAppend) int {
		if a.first.Less(b.first) {
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
	head, err := understand(record)
	if err != nil {
		r.damaged(err)
		return nil
	}
	if head.kind != packlog.KindHead {
		r.damaged(fmt.Errorf("record at %v: %w: kind %d commits", record.Position, errMeta, record.Kind))
		return nil
	}
	c := &committed{key: head.key, head: head.head, at: record.Position}
	c.each = func(fn func(*entry) error) error { return r.each(ctx, view, p, head, fn) }
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
	e, err := understand(record)
	if err != nil {
		r.damaged(err)
		return
	}
	p.entries = append(p.entries, e)
	p.size += e.size + entryCost
	r.held += e.size + entryCost
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
func (r *replay) each(ctx context.Context, view packlog.View, p *appendRecords, head *entry, fn func(*entry) error) error {
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
		if !record.Position.Less(head.at) {
			return errHeadReached
		}
		if record.Append != p.id {
			return nil
		}
		e, err := understand(record)
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
func (r *replay) checked(e, head *entry, fn func(*entry) error) error {
	if e.kind != packlog.KindRun && e.key != head.key {
		r.damaged(fmt.Errorf("record at %v: %w: it is of core %v in an append to core %v", e.at, errMeta, e.key, head.key))
		return nil
	}
	return fn(e)
}
