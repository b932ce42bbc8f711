package census_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store"
	"hc/lib/store/census"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/positions"
	"hc/lib/store/records"
	"hc/lib/store/table"
)

// world is a store whose cores' owners sign anything.
type world struct {
	t      *testing.T
	in     *store.Store
	blocks map[keys.Key][]string
	fork   uint64
}

// What is dead, by the rows of the table in lib/store/FORMAT.md. A record is written as its kind and the number of its
// append, from 1 on.
func TestWhatIsDead(t *testing.T) {
	one, two := keys.Key{1}, keys.Key{2}
	for name, row := range map[string]struct {
		do   func(w *world)
		goes bool   // appends that did not end may still go on
		dead string // in the log's order
	}{
		"any: all is held":       {func(w *world) { w.append(one, "a"); w.append(one, "b") }, false, ""},
		"any: without a head":    {func(w *world) { w.append(one, "a"); w.abandon(); w.append(one, "b") }, false, "run2"},
		"any: perhaps not ended": {func(w *world) { w.append(one, "a"); w.abandon(); w.append(one, "b") }, true, ""},
		"any: before a drop": {func(w *world) { w.append(one, "a"); w.append(two, "b"); w.drop(one); w.append(one, "c") }, false,
			"run1 span1 core1 head1"},
		"run: held by another core": {func(w *world) { w.append(one, "a"); w.append(two, "a"); w.drop(one) }, false, "span1 core1"},
		"run, span, head: cut off":  {func(w *world) { w.append(one, "a"); w.append(one, "b"); w.truncate(one, 1) }, false, "run2 span2 head2"},
		"run, span: cleared":        {func(w *world) { w.append(one, "a"); w.append(one, "b"); w.clear(one, 0, 1) }, false, "run1 span1"},
		"run, span: held in part":   {func(w *world) { w.append(one, "a", "b"); w.clear(one, 0, 1) }, false, ""},
		"nodes: above nothing held": {func(w *world) { w.nodes(one, "a", "b") }, false, ""},
		"nodes: cut off":            {func(w *world) { w.nodes(one, "a", "b"); w.truncate(one, 0) }, false, "nodes1"},
		"nodes: cut off in part":    {func(w *world) { w.nodes(one, "a", "b"); w.truncate(one, 1) }, false, ""},
		"head: not the last":        {func(w *world) { w.append(one, "a"); w.append(one, "b"); w.clear(one, 1, 2) }, false, "run2 span2 head2"},
		"span: appended again": {func(w *world) { w.append(one, "a"); w.append(one, "b"); w.truncate(one, 1); w.append(one, "c") }, false,
			"run2 span2 head2"},
		"head: alone, the last": {func(w *world) { w.append(one, "a"); w.append(one) }, false, ""},
		"head: alone":           {func(w *world) { w.append(one, "a"); w.append(one); w.append(one, "b") }, false, "head2"},
		"head: seen": {func(w *world) { w.append(one, "a"); w.append(one, "b"); w.seen(one); w.truncate(one, 1) }, false,
			"run2 span2"},
		"drop: something is left": {func(w *world) { w.append(one, "a"); w.drop(one) }, false, "run1 span1 core1 head1"},
		"drop: before another": {func(w *world) { w.append(one, "a"); w.drop(one); w.append(one, "b"); w.drop(one) }, false,
			"run1 span1 core1 head1 drop2 head2 run3 span3 core3 head3"},
	} {
		w := &world{t: t, blocks: map[keys.Key][]string{}}
		if got := w.dead(row.do, !row.goes); got != row.dead {
			t.Errorf("%s: %s, want %s", name, got, row.dead)
		}
	}
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) begin(key keys.Key) *store.Tx {
	w.t.Helper()
	tx, err := w.in.Begin(w.t.Context(), key, store.TxOptions{Durable: true})
	w.check(err)
	return tx
}

func (w *world) add(tx *store.Tx, blocks ...string) {
	w.t.Helper()
	for _, b := range blocks {
		w.check(tx.Append(w.t.Context(), hash.Leaf([]byte(b)), []byte(b)))
	}
}

func (w *world) append(key keys.Key, blocks ...string) {
	w.t.Helper()
	tx := w.begin(key)
	defer tx.Abort()
	w.add(tx, blocks...)
	w.blocks[key] = append(w.blocks[key], blocks...)
	w.check(tx.Commit(w.t.Context(), w.head(key)))
}

// abandon writes a run of an append that does not end, as a process does that dies.
func (w *world) abandon() {
	w.t.Helper()
	log, err := packlog.Open(w.t.Context(), w.in.Dir(), packlog.Options{})
	w.check(err)
	defer log.Close()
	a, err := log.Begin(w.t.Context())
	w.check(err)
	m := records.Run{Count: 1, Raw: 4, Lengths: []uint32{4}, Leaves: []hash.Digest{hash.Leaf([]byte("gone"))}}
	_, err = a.Write(w.t.Context(), packlog.Record{Kind: packlog.KindRun, Meta: m.Encode(), Payload: []byte("gone")})
	w.check(err)
}

// nodes stores the leaves of a core's first blocks without the blocks.
func (w *world) nodes(key keys.Key, blocks ...string) {
	w.t.Helper()
	tx := w.begin(key)
	defer tx.Abort()
	for i, b := range blocks {
		w.check(tx.Nodes(w.t.Context(), []merkle.Node{merkle.LeafNode(uint64(i), []byte(b))}))
	}
	w.blocks[key] = blocks
	w.check(tx.Commit(w.t.Context(), w.head(key)))
}

func (w *world) truncate(key keys.Key, length uint64) {
	w.t.Helper()
	tx := w.begin(key)
	defer tx.Abort()
	w.fork++
	w.check(tx.Truncate(w.t.Context(), w.fork, length))
	w.blocks[key] = w.blocks[key][:length]
	w.check(tx.Commit(w.t.Context(), w.head(key)))
}

func (w *world) seen(key keys.Key) {
	w.t.Helper()
	tx := w.begin(key)
	defer tx.Abort()
	w.check(tx.Seen(w.t.Context(), store.Head{Fork: 9, Length: 1, ByteLength: 1, Signature: []byte{9}}))
	w.check(tx.Commit(w.t.Context(), nil))
}

func (w *world) drop(key keys.Key) {
	w.t.Helper()
	w.blocks[key] = nil
	w.check(w.in.Drop(w.t.Context(), key))
}

func (w *world) clear(key keys.Key, first, end uint64) {
	w.t.Helper()
	w.check(w.in.Clear(w.t.Context(), key, first, end))
}

// head returns what signs a core as it is now.
func (w *world) head(key keys.Key) func() (store.Head, error) {
	roots := &merkle.Roots{}
	for i, b := range w.blocks[key] {
		roots.Append(merkle.LeafNode(uint64(i), []byte(b)), nil)
	}
	h := store.Head{Fork: w.fork, Length: roots.Length(), ByteLength: roots.ByteLength(), TreeHash: roots.TreeHash(), Signature: []byte{1}}
	return func() (store.Head, error) { return h, nil }
}

// dead makes a store, does something with it, and takes a census of it.
func (w *world) dead(do func(*world), noneGo bool) string {
	t := w.t
	t.Helper()
	dir := t.TempDir()
	var err error
	w.in, err = store.Open(t.Context(), dir, store.Options{Create: true})
	w.check(err)
	do(w)
	w.check(w.in.Checkpoint(t.Context()))
	w.check(w.in.Close())
	log, err := packlog.Open(t.Context(), dir, packlog.Options{})
	w.check(err)
	defer log.Close()
	view, err := log.View(t.Context())
	w.check(err)
	cache := table.NewCache(1<<20, 0)
	scratch, err := positions.NewScratch(packlog.OS(), filepath.Join(dir, "gc"), cache)
	w.check(err)
	defer func() { _ = scratch.Remove() }()
	files := derived.NewFiles(packlog.OS(), dir)
	defer files.Close()
	applied, err := derived.LoadApplied(packlog.OS(), dir)
	w.check(err)
	tables, err := derived.Open(files, applied)
	w.check(err)
	c, err := census.Take(t.Context(), census.Source{Log: log, Derived: tables, View: view, NoneGo: noneGo, Scratch: scratch})
	w.check(err)
	dead, err := positions.NewReader(t.Context(), c.Dead, packlog.Position{})
	w.check(err)
	defer dead.Stop()
	appends, found := map[packlog.AppendID]int{}, []string{}
	w.check(log.Scan(t.Context(), view, packlog.Position{}, false, func(r packlog.Record) error {
		if appends[r.Append] == 0 {
			appends[r.Append] = len(appends) + 1
		}
		is, err := dead.Has(r.Position, func(uint64) {})
		if f := c.Drops[r.Position]; f != nil && !f.Pinned && len(f.Older) == 0 {
			is = true
		}
		if is {
			found = append(found, fmt.Sprintf("%s%d", kinds[r.Kind], appends[r.Append]))
		}
		return err
	}))
	return strings.Join(found, " ")
}

var kinds = map[packlog.Kind]string{
	packlog.KindCore: "core", packlog.KindRun: "run", packlog.KindSpan: "span", packlog.KindNodes: "nodes", packlog.KindHead: "head",
	packlog.KindTruncate: "truncate", packlog.KindClear: "clear", packlog.KindDrop: "drop", packlog.KindSeen: "seen",
}
