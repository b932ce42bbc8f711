package store

import (
	"bytes"
	"slices"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

const (
	heldAppend   = 512 << 10 // bytes of an append's records that are held until its head comes
	heldBytes    = 16 << 20  // bytes of all that is held
	joinableRuns = runs.MostBytes / 2
)

// joiner holds back appends, and makes one of short ones to a core that follow one another. What else a core's log says stays in its
// order. Memory is bounded.
type joiner struct {
	*copier
	recoder *runs.Recoder
	held    map[packlog.AppendID]*heldRecords // their heads have not come
	joined  map[keys.Key]*joinedAppend
	bytes   int // in held and joined
}

// heldRecords is the records of one append so far.
type heldRecords struct {
	records []packlog.Record
	bytes   int
	plain   bool // they are written as they come
}

func newJoiner(c *copier) *joiner {
	if c.recoder == nil {
		c.recoder = runs.NewRecoder(c.repack.Cold)
	}
	return &joiner{
		copier: c, recoder: c.recoder,
		held:   make(map[packlog.AppendID]*heldRecords),
		joined: make(map[keys.Key]*joinedAppend),
	}
}

// take takes the next record that is live.
func (j *joiner) take(record *packlog.Record) error {
	if !record.Position.Less(j.census.At) {
		if err := j.flush(); err != nil { // heads stay in their order
			return err
		}
		return j.add(record)
	}
	if j.census.Late[record.Append] {
		return j.add(record)
	}
	h := j.held[record.Append]
	if h == nil {
		h = &heldRecords{plain: j.census.Torn[record.Append]}
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

// bound lets go of everything when it becomes too much.
func (j *joiner) bound() error {
	if j.bytes <= heldBytes {
		return nil
	}
	return j.flush()
}

func (j *joiner) flush() error {
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

// spill writes what is held of an append, and lets the rest follow as it comes.
func (j *joiner) spill(h *heldRecords) error {
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

// write writes one record, a run compressed again.
func (j *joiner) write(record *packlog.Record) error {
	if record.Kind == packlog.KindRun {
		var err error
		if record, err = j.recoder.Again(record); err != nil {
			return err
		}
	}
	return j.add(record)
}

// end ends an append with its head: it joins its neighbours, or is written behind them.
func (j *joiner) end(h *heldRecords, head *packlog.Record) error {
	key, _, err := records.DecodeHead(head.Meta)
	if err != nil {
		return records.DamagedAt(head.Position, err)
	}
	if f := j.census.Core(key); !h.plain && !f.Seen && !f.Gone(head.Position) {
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
	return j.add(head)
}

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

// understandShort returns nil if an append is too long, or has other records than plain runs and spans of them.
func (j *joiner) understandShort(key keys.Key, held []packlog.Record) (*shortAppend, error) {
	a := &shortAppend{}
	ordinals := make(map[uint32]bool)
	for i := range held {
		switch r := &held[i]; r.Kind {
		case packlog.KindRun:
			meta, data, err := j.recoder.Plain(r, joinableRuns-a.raw)
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

// oldRun is where a run was, and which block of a joined one is its first.
type oldRun struct {
	at   packlog.Position
	from uint32
}

// joinedAppend is several appends on their way to be one, with one run.
type joinedAppend struct {
	meta  records.Run
	raw   []byte
	lines bool // all blocks are lines, and end with LF but for the last
	olds  []oldRun
	spans []*records.Span
	head  packlog.Record
	bytes int
}

func (j *joiner) join(key keys.Key, a *shortAppend, head *packlog.Record) error {
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

// fits reports whether an append may follow in the same one.
func (o *joinedAppend) fits(a *shortAppend) bool {
	most := records.MaxRunBlocks
	if o.meta.Short {
		most = runs.MostShortBlocks
	}
	if len(o.raw)+a.raw > runs.MostBytes || o.meta.Count+a.count > most || o.bytes > heldAppend {
		return false
	}
	if len(o.olds) > 0 && len(a.runs) > 0 && o.meta.Short != a.runs[0].meta.Short {
		return false
	}
	last, next := o.spans[len(o.spans)-1], a.spans[0]
	return last.Append == next.Append && (!last.Append || last.Parts[len(last.Parts)-1].End() == next.First)
}

func (o *joinedAppend) add(a *shortAppend) {
	deltas := make(map[uint32]uint32, len(a.runs))
	for _, r := range a.runs {
		delta := uint32(o.meta.Count)
		deltas[r.meta.Ordinal] = delta
		o.olds = append(o.olds, oldRun{r.at, delta})
		o.addRun(r)
	}
	for _, span := range a.spans {
		for i := range span.Parts {
			if p := &span.Parts[i]; p.InRun() {
				p.Run, p.At = 0, p.At+deltas[p.Run]
			}
		}
		o.addSpan(span)
	}
}

func (o *joinedAppend) addRun(r shortRun) {
	o.lines = o.lines && r.meta.Lines && (len(o.raw) == 0 || o.raw[len(o.raw)-1] == '\n')
	ends, _ := r.meta.Split(r.data) // plainRun has split it before
	start := uint32(0)
	for _, end := range ends {
		o.meta.Lengths = append(o.meta.Lengths, end-start)
		start = end
	}
	o.meta.Short = r.meta.Short
	o.meta.Leaves = append(o.meta.Leaves, r.meta.Leaves...)
	o.meta.Count += r.meta.Count
	o.meta.Raw += r.meta.Raw
	o.raw = append(o.raw, r.data...)
	o.bytes += len(r.data) + (4+hash.Size)*r.meta.Count
}

// addSpan joins a span to the last one, if it goes on behind it.
func (o *joinedAppend) addSpan(span *records.Span) {
	o.bytes += len(span.Parts)*64 + len(span.Roots)*56
	for _, p := range span.Parts {
		o.bytes += len(p.ByLeaf) * (8 + hash.Size)
	}
	n := len(o.spans)
	if n == 0 {
		o.spans = append(o.spans, span)
		return
	}
	last := o.spans[n-1]
	end, blocks := last.Parts[len(last.Parts)-1].End(), uint64(0)
	for _, p := range slices.Concat(last.Parts, span.Parts) {
		blocks += p.Count
	}
	if span.Append != last.Append || span.First < end || span.Append && span.First != end || blocks > records.MaxSpanBlocks {
		o.spans = append(o.spans, span)
		return
	}
	for _, p := range span.Parts {
		q := &last.Parts[len(last.Parts)-1]
		follows := q.End() == p.First && (q.ByLeaf == nil) == (p.ByLeaf == nil) && q.Passage == nil && p.Passage == nil
		switch {
		case follows && p.ByLeaf != nil:
			q.ByLeaf, q.Count = append(q.ByLeaf, p.ByLeaf...), q.Count+p.Count
		case follows && q.Run == p.Run && uint64(q.At)+q.Count == uint64(p.At):
			q.Count += p.Count
		default:
			last.Parts = append(last.Parts, p)
		}
	}
	roots := merkle.NewCover(last.Roots)
	for _, n := range span.Roots {
		roots.Add(n)
	}
	last.Roots = roots.Nodes()
}

// flushCore writes what was joined of a core.
func (j *joiner) flushCore(key keys.Key) error {
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
		if err := j.add(&packlog.Record{Kind: packlog.KindSpan, Append: o.head.Append, Meta: span.Encode()}); err != nil {
			return err
		}
	}
	return j.add(&o.head)
}

func (j *joiner) flushRun(o *joinedAppend) error {
	m := o.meta
	m.Lines = m.Short && o.lines
	payload, err := j.recoder.Encode(&m, o.raw)
	if err != nil {
		return err
	}
	at, err := j.to.Add(&packlog.Record{Kind: packlog.KindRun, Append: o.head.Append, Meta: m.Encode(), Payload: payload})
	if err != nil {
		return err
	}
	for _, old := range o.olds {
		if err := j.places.Add(old.at, place{Run: at, At: old.from}); err != nil {
			return err
		}
	}
	return nil
}
