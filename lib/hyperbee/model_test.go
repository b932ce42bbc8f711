package hyperbee_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"hc/lib/hyperbee"
)

// model is the expected tree: the block of each key.
type model map[string]uint64

func (m model) sorted() []string { return slices.Sorted(maps.Keys(m)) }

// history is a core with the model of each version.
type history struct {
	core     blocks
	versions []uint64
	models   map[uint64]model
}

// randomHistory makes a core with batches of random operations on a few hundred keys. Later batches delete more than
// they put, so that the tree shrinks again, and the last one empties it.
func randomHistory(t testing.TB, random *rand.Rand, appends int) *history {
	t.Helper()
	h := &history{core: blocks{hyperbee.Header()}, models: map[uint64]model{}}
	now := model{}
	for i := range appends {
		size := 1 + random.IntN(60)*random.IntN(2)
		batch := hyperbee.NewBatch(h.core, uint64(len(h.core)))
		for range size {
			h.change(t, random, batch, now, 30+40*i/appends)
		}
		for i == appends-1 && len(now) > 0 {
			h.remove(t, batch, now, now.sorted()[random.IntN(len(now))])
		}
		written, err := batch.Flush(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h.core = append(h.core, written...)
		version := uint64(len(h.core))
		h.versions = append(h.versions, version)
		h.models[version] = maps.Clone(now)
	}
	return h
}

func (h *history) change(t testing.TB, random *rand.Rand, batch *hyperbee.Batch, now model, deletes int) {
	t.Helper()
	key := fmt.Sprintf("k%03d%s", random.IntN(400), strings.Repeat("x", random.IntN(2)))
	if random.IntN(100) < deletes {
		h.remove(t, batch, now, key)
		return
	}
	now[key] = uint64(len(h.core) + batch.Len())
	if err := batch.Put(t.Context(), []byte(key), fmt.Append(nil, now[key])); err != nil {
		t.Fatal(err)
	}
}

func (h *history) remove(t testing.TB, batch *hyperbee.Batch, now model, key string) {
	t.Helper()
	_, want := now[key]
	found, err := batch.Delete(t.Context(), []byte(key))
	if err != nil || found != want {
		t.Fatalf("delete %s: %v, %v", key, found, err)
	}
	delete(now, key)
}

// TestRandomTrees writes random histories and reads each version: every key and the gaps beside it, whole and in
// parts, in both directions, and the differences between versions.
func TestRandomTrees(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			h := randomHistory(t, random, 60)
			for i, version := range h.versions {
				want := h.models[version]
				tree := hyperbee.Open(h.core, version)
				checkListing(t, tree, want, hyperbee.Range{})
				for range 10 {
					checkListing(t, tree, want, randomRange(random))
					checkGet(t, tree, want, fmt.Sprintf("k%03d", random.IntN(400)))
				}
				older := h.versions[random.IntN(i+1)]
				checkDiff(t, hyperbee.Open(h.core, older), tree, h.models[older], want, randomRange(random))
				checkDiff(t, tree, hyperbee.Open(h.core, older), want, h.models[older], hyperbee.Range{})
			}
			if last := h.models[h.versions[len(h.versions)-1]]; len(last) != 0 {
				t.Fatalf("%d keys are left", len(last))
			}
		})
	}
}

func randomRange(random *rand.Rand) hyperbee.Range {
	r := hyperbee.Range{Reverse: random.IntN(2) == 0, Limit: random.IntN(2) * random.IntN(20)}
	for _, bound := range []*[]byte{&r.GT, &r.GTE, &r.LT, &r.LTE} {
		if random.IntN(3) == 0 {
			*bound = fmt.Appendf(nil, "k%03d", random.IntN(400))
		}
	}
	return r
}

func within(r hyperbee.Range, key string) bool {
	k := []byte(key)
	return (r.GT == nil || bytes.Compare(k, r.GT) > 0) && (r.GTE == nil || bytes.Compare(k, r.GTE) >= 0) &&
		(r.LT == nil || bytes.Compare(k, r.LT) < 0) && (r.LTE == nil || bytes.Compare(k, r.LTE) <= 0)
}

// expect returns those of the sorted keys that are in a range, in the range's order.
func expect(r hyperbee.Range, sorted []string) []string {
	var keys []string
	for _, key := range sorted {
		if within(r, key) {
			keys = append(keys, key)
		}
	}
	if r.Reverse {
		slices.Reverse(keys)
	}
	if r.Limit > 0 {
		keys = keys[:min(r.Limit, len(keys))]
	}
	return keys
}

func checkListing(t *testing.T, tree *hyperbee.Tree, want model, r hyperbee.Range) {
	t.Helper()
	var got []string
	for _, e := range collect(t, tree, r) {
		got = append(got, string(e.Key))
		if e.Seq != want[string(e.Key)] || string(e.Value) != fmt.Sprint(e.Seq) {
			t.Fatalf("version %d: %s is in block %d, %q; want %d", tree.Version(), e.Key, e.Seq, e.Value, want[string(e.Key)])
		}
	}
	if keys := expect(r, want.sorted()); !slices.Equal(got, keys) {
		t.Fatalf("version %d, %+v: %q, want %q", tree.Version(), r, got, keys)
	}
}

func checkGet(t *testing.T, tree *hyperbee.Tree, want model, key string) {
	t.Helper()
	seq, ok := want[key]
	e, err := tree.Get(t.Context(), []byte(key))
	if ok && (err != nil || e.Seq != seq) || !ok && !errors.Is(err, hyperbee.ErrNotFound) {
		t.Fatalf("version %d: get %s: %+v, %v; want %d, %v", tree.Version(), key, e, err, seq, ok)
	}
}

func checkDiff(t *testing.T, old, new *hyperbee.Tree, before, after model, r hyperbee.Range) {
	t.Helper()
	var changed []string
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, key := range all.sorted() {
		if before[key] != after[key] {
			changed = append(changed, key)
		}
	}
	var want, got []string
	for _, key := range expect(r, changed) {
		want = append(want, fmt.Sprintf("%s %d→%d", key, before[key], after[key]))
	}
	if err := hyperbee.Diff(t.Context(), old, new, r, func(old, new *hyperbee.Entry) error {
		var pair [2]hyperbee.Entry
		for i, e := range []*hyperbee.Entry{old, new} {
			if e != nil {
				pair[i] = *e
			}
		}
		if old != nil && new != nil && !bytes.Equal(old.Key, new.Key) {
			t.Fatalf("%s became %s", old.Key, new.Key)
		}
		got = append(got, fmt.Sprintf("%s %d→%d", max(string(pair[0].Key), string(pair[1].Key)), pair[0].Seq, pair[1].Seq))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("diff of %d to %d, %+v: %q, want %q", old.Version(), new.Version(), r, got, want)
	}
}

// counting counts reads.
type counting struct {
	blocks
	reads *[]uint64
}

func (c counting) Block(ctx context.Context, seq uint64) ([]byte, error) {
	*c.reads = append(*c.reads, seq)
	return c.blocks.Block(ctx, seq)
}

// bigCore returns a core of n keys, put in one batch.
func bigCore(t testing.TB, n int) blocks {
	t.Helper()
	core := blocks{hyperbee.Header()}
	batch := hyperbee.NewBatch(core, 1)
	for i := range n {
		if err := batch.Put(t.Context(), fmt.Appendf(nil, "files\x00/folder-%d/file-%06d", i%100, i), make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	written, err := batch.Flush(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return append(core, written...)
}

// TestDiffReadsWhatChanged changes three keys of many.
func TestDiffReadsWhatChanged(t *testing.T) {
	core := bigCore(t, 20000)
	before := uint64(len(core))
	batch := hyperbee.NewBatch(core, before)
	if err := batch.Put(t.Context(), []byte("files\x00/folder-50/new"), []byte("1")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"files\x00/folder-0/file-000000", "files\x00/folder-99/file-010099"} {
		if found, err := batch.Delete(t.Context(), []byte(key)); err != nil || !found {
			t.Fatal(key, found, err)
		}
	}
	written, err := batch.Flush(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	core = append(core, written...)
	var reads []uint64
	old, new := hyperbee.Open(counting{core, &reads}, before), hyperbee.Open(counting{core, &reads}, uint64(len(core)))
	changes := 0
	if err := hyperbee.Diff(t.Context(), old, new, hyperbee.Range{}, func(_, _ *hyperbee.Entry) error {
		changes++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if changes != 3 || len(reads) > 250 {
		t.Errorf("%d changes by %d reads", changes, len(reads))
	}
}

// TestReadsFollowFromTheTree lists a tree of nine keys: it reads each block once, and holds the one that all nodes
// are in.
func TestReadsFollowFromTheTree(t *testing.T) {
	for _, d := range loadDrives(t) {
		if d.Name != "nine-keys" {
			continue
		}
		var reads []uint64
		core := counting{d.blocks(t), &reads}
		collect(t, hyperbee.OpenUncached(core, 10), hyperbee.Range{})
		if got := fmt.Sprint(reads); got != "[9 1 2 3 4 5 6 7 8]" {
			t.Errorf("read %s", got)
		}
		reads = nil
		collect(t, hyperbee.OpenUncached(core, 10), hyperbee.Range{GTE: []byte("files\x00/file-0006"), Limit: 2})
		if got := fmt.Sprint(reads); got != "[9 5 8 7 7 8]" {
			t.Errorf("read %s from the seventh key on", got)
		}
		return
	}
	t.Fatal("no nine-keys")
}

func TestBatchEnds(t *testing.T) {
	core := blocks{hyperbee.Header()}
	batch := hyperbee.NewBatch(core, 0)
	if found, err := batch.Delete(t.Context(), []byte("k")); found || err != nil {
		t.Errorf("deleted of nothing: %v, %v", found, err)
	}
	if err := batch.Put(t.Context(), []byte("k"), make([]byte, 15<<20)); !errors.Is(err, hyperbee.ErrTooLarge) {
		t.Errorf("15 MiB: %v", err)
	}
	if err := batch.Put(t.Context(), []byte("k"), []byte("v")); err != nil {
		t.Error(err)
	}
	if written, err := batch.Flush(t.Context()); err != nil || len(written) != 1 {
		t.Errorf("%d blocks, %v", len(written), err)
	}
	if err := batch.Put(t.Context(), []byte("k"), nil); err == nil {
		t.Error("put into a batch that was flushed")
	}
	if _, err := batch.Flush(t.Context()); err == nil {
		t.Error("flushed twice")
	}
	batch = hyperbee.NewBatch(core, 5)
	if err := batch.Put(t.Context(), []byte("k"), nil); err == nil {
		t.Error("put on a tree that is not there")
	}
	if _, err := batch.Flush(t.Context()); err == nil {
		t.Error("flushed what failed")
	}
}

func BenchmarkBatch(b *testing.B) {
	for b.Loop() {
		bigCore(b, 100_000)
	}
	b.ReportMetric(100_000, "puts/op")
}

func BenchmarkWalk(b *testing.B) {
	core := bigCore(b, 100_000)
	for b.Loop() {
		tree := hyperbee.Open(core, uint64(len(core)))
		if err := tree.Walk(b.Context(), hyperbee.Range{}, func(hyperbee.Entry) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(100_000, "keys/op")
}
