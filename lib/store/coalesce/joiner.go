package coalesce

import (
	"bytes"

	"hc/lib/keys"
	"hc/lib/store/census"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

const (
	heldAppend = 512 << 10 // bytes of an append's records that are held until its head comes
	heldBytes  = 16 << 20  // bytes held in all
)

// Output is where records go, and what is known about them. Records must not be kept.
type Output struct {
	Census  *census.Census
	Recoder *runs.Recoder
	Add     func(*packlog.Record) error                    // writes a record as it is
	AddRun  func(run *packlog.Record, olds []OldRun) error // writes a run in the place of others
}

// Joiner holds back appends, and joins short ones to a core that follow one another. Everything else that the log has
// of a core stays in its order. Memory is bounded. Not for concurrent use.
type Joiner struct {
	out    Output
	held   map[packlog.AppendID]*heldRecords // whose heads have not come
	joined map[keys.Key]*joinedAppend
	bytes  int // in held and joined
}

// heldRecords is the records of one append so far.
type heldRecords struct {
	records []packlog.Record
	bytes   int
	plain   bool // they are written as they come
}

// New returns a joiner that holds nothing.
func New(out Output) *Joiner {
	return &Joiner{
		out:    out,
		held:   make(map[packlog.AppendID]*heldRecords),
		joined: make(map[keys.Key]*joinedAppend),
	}
}

// Take takes the next live record, in the log's order. Its bytes are not kept.
func (j *Joiner) Take(record *packlog.Record) error {
	if !record.Position.Less(j.out.Census.At) {
		if err := j.Flush(); err != nil { // heads stay in their order
			return err
		}
		return j.out.Add(record)
	}
	if j.out.Census.Late[record.Append] {
		return j.out.Add(record)
	}
	h := j.held[record.Append]
	if h == nil {
		h = &heldRecords{plain: j.out.Census.Torn[record.Append]}
		j.held[record.Append] = h
	}
	if record.Commit {
		delete(j.held, record.Append)
		j.bytes -= h.bytes
		return j.end(h, record)
	}
	if h.plain {
		return j.write(record)
	}
	r := *record
	r.Meta, r.Payload = bytes.Clone(r.Meta), bytes.Clone(r.Payload)
	size := len(r.Meta) + len(r.Payload)
	h.records, h.bytes, j.bytes = append(h.records, r), h.bytes+size, j.bytes+size
	if h.bytes > heldAppend {
		return j.spill(h)
	}
	return j.bound()
}

// bound writes everything once it becomes too much.
func (j *Joiner) bound() error {
	if j.bytes <= heldBytes {
		return nil
	}
	return j.Flush()
}

// Flush writes everything that is held back. It must be called after the last record.
func (j *Joiner) Flush() error {
	for _, h := range j.held {
		if err := j.spill(h); err != nil {
			return err
		}
	}
	for key := range j.joined {
		if err := j.flushCore(key); err != nil {
			return err
		}
	}
	return nil
}

// spill writes what is held of an append; the rest is written as it comes.
func (j *Joiner) spill(h *heldRecords) error {
	j.bytes -= h.bytes
	records := h.records
	*h = heldRecords{plain: true}
	for i := range records {
		if err := j.write(&records[i]); err != nil {
			return err
		}
	}
	return nil
}

// write writes one record; a run is compressed again.
func (j *Joiner) write(record *packlog.Record) error {
	if record.Kind == packlog.KindRun {
		var err error
		if record, err = j.out.Recoder.Again(record); err != nil {
			return err
		}
	}
	return j.out.Add(record)
}

// end ends an append with its head: it joins its neighbours, or is written after them.
func (j *Joiner) end(h *heldRecords, head *packlog.Record) error {
	key, _, err := records.DecodeHead(head.Meta)
	if err != nil {
		return records.DamagedAt(head.Position, err)
	}
	if f := j.out.Census.Core(key); !h.plain && !f.Seen && !f.Gone(head.Position) {
		a, err := j.understandShort(key, h.records)
		if err != nil {
			return err
		}
		if a != nil {
			return j.join(key, a, head)
		}
	}
	if err := j.flushCore(key); err != nil {
		return err
	}
	for i := range h.records {
		if err := j.write(&h.records[i]); err != nil {
			return err
		}
	}
	return j.out.Add(head)
}

func (j *Joiner) join(key keys.Key, a *shortAppend, head *packlog.Record) error {
	joined := j.joined[key]
	if joined != nil && !joined.fits(a) {
		if err := j.flushCore(key); err != nil {
			return err
		}
		joined = nil
	}
	if joined == nil {
		joined = &joinedAppend{lines: true}
		j.joined[key] = joined
	}
	before := joined.bytes
	joined.add(a)
	joined.head = *head
	joined.head.Meta = bytes.Clone(head.Meta)
	j.bytes += joined.bytes - before
	return j.bound()
}

// flushCore writes what was joined of a core.
func (j *Joiner) flushCore(key keys.Key) error {
	o := j.joined[key]
	if o == nil {
		return nil
	}
	delete(j.joined, key)
	j.bytes -= o.bytes
	if len(o.olds) > 0 {
		if err := j.flushRun(o); err != nil {
			return err
		}
	}
	for _, span := range o.spans {
		if err := j.out.Add(&packlog.Record{Kind: packlog.KindSpan, Append: o.head.Append, Meta: span.Encode()}); err != nil {
			return err
		}
	}
	return j.out.Add(&o.head)
}

func (j *Joiner) flushRun(o *joinedAppend) error {
	m := o.meta
	m.Lines = m.Short && o.lines
	payload, err := j.out.Recoder.Encode(&m, o.raw)
	if err != nil {
		return err
	}
	return j.out.AddRun(&packlog.Record{Kind: packlog.KindRun, Append: o.head.Append, Meta: m.Encode(), Payload: payload}, o.olds)
}
