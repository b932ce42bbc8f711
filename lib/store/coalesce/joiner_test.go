package coalesce

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/store/census"
	"hc/lib/store/codec"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/positions"
	"hc/lib/store/records"
	"hc/lib/store/runs"
	"hc/lib/store/table"
)

// oneAppend is an append of one block to a core.
type oneAppend struct {
	block string
	core  byte   // 0: core 1
	first uint64 // the block's number, if it is not the one after the core's last one

	byLeaf, download, short bool

	more    packlog.Kind                         // of a further record; 0: none
	missing bool                                 // the run is not there
	base    bool                                 // the run is a delta
	newer   bool                                 // the head cannot be decoded
	census  func(*census.Census, packlog.Record) // with the head
}

// Short appends to a core that follow one another become one. All others are written as they are, in their order.
func TestWhichAppendsBecomeOne(t *testing.T) {
	a, b, c := oneAppend{block: "a"}, oneAppend{block: "b"}, oneAppend{block: "c"}
	with := func(o oneAppend, change func(*oneAppend)) oneAppend {
		change(&o)
		return o
	}
	half, third := strings.Repeat("h", joinableRuns), strings.Repeat("t", runs.MostBytes/3)
	for name, row := range map[string]struct {
		appends []oneAppend
		want    string // appends that were written: the core, and its blocks
	}{
		"neighbours":    {[]oneAppend{a, b, c}, "1:abc"},
		"of two cores":  {[]oneAppend{a, with(b, func(o *oneAppend) { o.core = 2 }), c}, "1:ac 2:b"},
		"by leaf":       {[]oneAppend{a, with(b, func(o *oneAppend) { o.byLeaf = true }), c}, "1:abc"},
		"all by leaf":   {[]oneAppend{with(a, func(o *oneAppend) { o.byLeaf = true }), with(b, func(o *oneAppend) { o.byLeaf = true })}, "1:ab"},
		"short ones":    {[]oneAppend{with(a, func(o *oneAppend) { o.short = true }), with(b, func(o *oneAppend) { o.short = true })}, "1:ab"},
		"short and not": {[]oneAppend{with(a, func(o *oneAppend) { o.short = true }), b, c}, "1:a 1:bc"},
		"downloads":     {[]oneAppend{with(a, func(o *oneAppend) { o.download = true }), with(b, func(o *oneAppend) { o.download, o.first = true, 7 })}, "1:ab"},
		"and one":       {[]oneAppend{a, with(b, func(o *oneAppend) { o.download = true }), c}, "1:a 1:b 1:c"},
		"a gap":         {[]oneAppend{a, with(b, func(o *oneAppend) { o.first = 7 })}, "1:a 1:b"},
		"truncate":      {[]oneAppend{a, with(b, func(o *oneAppend) { o.more = packlog.KindTruncate }), c}, "1:a 1:b 1:c"},
		"nodes":         {[]oneAppend{a, with(b, func(o *oneAppend) { o.more = packlog.KindNodes }), c}, "1:a 1:b 1:c"},
		"a lost run":    {[]oneAppend{a, with(b, func(o *oneAppend) { o.missing = true }), c}, "1:a 1:? 1:c"},
		"a delta":       {[]oneAppend{a, with(b, func(o *oneAppend) { o.base = true }), c}, "1:a 1:b 1:c"},
		"a long one":    {[]oneAppend{a, with(b, func(o *oneAppend) { o.block = half + "+" }), c}, "1:a 1:" + half + "+ 1:c"},
		"two halves":    {[]oneAppend{{block: half}, {block: half}, c}, "1:" + half + half + " 1:c"},
		"four thirds":   {[]oneAppend{{block: third}, {block: third}, {block: third}, {block: third}}, "1:" + third + third + third + " 1:" + third},
		"late": {[]oneAppend{a, with(b, func(o *oneAppend) {
			o.census = func(c *census.Census, r packlog.Record) { c.Late[r.Append], c.At = true, r.Position }
		})}, "1:a 1:b"},
		"of a newer program": {[]oneAppend{a, with(b, func(o *oneAppend) {
			o.core, o.newer = 2, true
			o.census = func(c *census.Census, r packlog.Record) { c.Late[r.Append] = true }
		}), c}, "0:b 1:ac"},
		"torn": {[]oneAppend{a, with(b, func(o *oneAppend) {
			o.census = func(c *census.Census, r packlog.Record) { c.Torn[r.Append] = true }
		}), c}, "1:a 1:b 1:c"},
		"after the census": {[]oneAppend{a, b, with(c, func(o *oneAppend) {
			o.census = func(c *census.Census, r packlog.Record) { c.At = packlog.Position{Pack: r.Position.Pack} }
		})}, "1:ab 1:c"},
		"a conflict": {[]oneAppend{with(a, func(o *oneAppend) {
			o.census = func(c *census.Census, _ packlog.Record) { c.Core(keys.Key{1}).Seen = true }
		}), b}, "1:a 1:b"},
		"before a drop": {[]oneAppend{a, with(b, func(o *oneAppend) {
			o.census = func(c *census.Census, r packlog.Record) {
				c.Core(keys.Key{1}).Dropped = packlog.Position{Pack: r.Position.Pack, Offset: r.Position.Offset + 1}
			}
		}), c, {block: "d"}}, "1:a 1:b 1:cd"},
	} {
		if got := joinedAs(t, row.appends); got != row.want {
			t.Errorf("%s: %.60q, want %.60q", name, got, row.want)
		}
	}
}

// joinedAs returns what a joiner writes of appends, sorted by core.
func joinedAs(t *testing.T, appends []oneAppend) string {
	t.Helper()
	from, out := emptyCensus(t), &written{runs: map[packlog.AppendID]string{}, spans: map[packlog.AppendID]string{}, leaves: map[hash.Digest]string{}}
	var log []packlog.Record
	length := map[byte]uint64{}
	for i, a := range appends {
		a.core = max(a.core, 1)
		a.first = max(a.first, length[a.core])
		length[a.core] = a.first + 1
		out.leaves[hash.Leaf([]byte(a.block))] = a.block
		for j, r := range a.records(byte(i + 1)) {
			r.Position = packlog.Position{Pack: uint64(i + 1), Offset: uint64(8 * (j + 1))}
			log = append(log, r)
			if r.Commit && a.census != nil {
				a.census(from, r)
			}
		}
	}
	j := New(Output{Census: from, Recoder: runs.NewRecoder(false), Add: out.add, AddRun: func(r *packlog.Record, _ []OldRun) error { return out.add(r) }})
	for i := range log {
		if err := j.Take(&log[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Flush(); err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(out.done, func(a, b string) int { return int(a[0]) - int(b[0]) })
	return strings.Join(out.done, " ")
}

func (a oneAppend) records(id byte) (all []packlog.Record) {
	leaf, key := hash.Leaf([]byte(a.block)), keys.Key{a.core}
	run := records.Run{Short: a.short, Count: 1, Raw: len(a.block), Lengths: []uint32{uint32(len(a.block))}, Leaves: []hash.Digest{leaf}}
	if a.base {
		run.Codec, run.Base = records.CodecDelta, hash.Leaf([]byte("base"))
	}
	part := records.Part{First: a.first, Count: 1}
	if a.byLeaf {
		part.ByLeaf = []records.LeafRef{{Size: uint64(len(a.block)), Leaf: leaf}}
	} else if !a.missing {
		all = append(all, packlog.Record{Kind: packlog.KindRun, Meta: run.Encode(), Payload: []byte(a.block)})
	}
	span := records.Span{Append: !a.download, Key: key, First: a.first, Parts: []records.Part{part}}
	all = append(all, packlog.Record{Kind: packlog.KindSpan, Meta: span.Encode()})
	if a.more != 0 {
		all = append(all, packlog.Record{Kind: a.more})
	}
	head := records.EncodeHead(key, records.Head{Length: a.first + 1})
	if a.newer {
		head = []byte{0x80}
	}
	all = append(all, packlog.Record{Kind: packlog.KindHead, Commit: true, Meta: head})
	for i := range all {
		all[i].Append = packlog.AppendID{id}
	}
	return all
}

// written is the appends that a joiner wrote.
type written struct {
	leaves map[hash.Digest]string
	runs   map[packlog.AppendID]string // the blocks of each one's only run
	spans  map[packlog.AppendID]string // the blocks that they name
	done   []string
}

func (w *written) add(r *packlog.Record) error {
	switch r.Kind {
	case packlog.KindRun:
		m, err := records.DecodeRun(r.Meta)
		if err != nil {
			return err
		}
		for _, leaf := range m.Leaves {
			w.runs[r.Append] += w.leaves[leaf]
		}
		if m.Short {
			raw, err := codec.Decompress(nil, m, r.Payload, nil)
			if err != nil {
				return err
			}
			w.runs[r.Append] = string(raw)
		}
	case packlog.KindSpan:
		span, err := records.DecodeSpan(r.Meta)
		if err != nil {
			return err
		}
		w.name(r.Append, span)
	case packlog.KindHead:
		key, _, _ := records.DecodeHead(r.Meta) // core 0 if it cannot be decoded
		w.done = append(w.done, fmt.Sprintf("%d:%s", key[0], w.spans[r.Append]))
	}
	return nil
}

// name notes the blocks that a span names. Those of a run have one byte each, or are the whole run.
func (w *written) name(id packlog.AppendID, span *records.Span) {
	for _, p := range span.Parts {
		run := w.runs[id]
		switch {
		case p.ByLeaf != nil:
			for _, ref := range p.ByLeaf {
				w.spans[id] += w.leaves[ref.Leaf]
			}
		case run == "":
			w.spans[id] += "?"
		case uint64(len(run)) >= uint64(p.At)+p.Count && len(run) < 8:
			w.spans[id] += run[p.At : uint64(p.At)+p.Count]
		default:
			w.spans[id] += run
		}
	}
}

// emptyCensus returns the census of an empty log, as if it had been taken after everything that a test writes.
func emptyCensus(t *testing.T) *census.Census {
	t.Helper()
	dir := t.TempDir()
	log, err := packlog.Open(t.Context(), dir, packlog.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	view, err := log.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	scratch, err := positions.NewScratch(packlog.OS(), filepath.Join(dir, "gc"), table.NewCache(1<<20, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = scratch.Remove() }()
	files := derived.NewFiles(packlog.OS(), dir)
	defer files.Close()
	c, err := census.Take(t.Context(), census.Source{
		Log: log, View: view, Scratch: scratch, Derived: &derived.Tables{Files: files, Applied: &derived.Applied{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.At = packlog.Position{Pack: 1 << 32}
	return c
}
