package copies

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/store"
)

// twice returns a core that has so many blocks, none like another, and then the same once more.
func twice(t *testing.T, count int) *hypercore.Snapshot {
	t.Helper()
	in, err := store.Open(t.Context(), t.TempDir()+"/.hc", store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	w, err := hypercore.OpenWriter(t.Context(), in, "log", hypercore.AppendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{1})
	var blocks [][]byte
	for range count {
		block := make([]byte, 1000)
		_, _ = random.Read(block)
		blocks = append(blocks, block)
	}
	if err := w.Append(t.Context(), slices.Concat(blocks, blocks)...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	snapshot, err := hypercore.OpenSnapshot(t.Context(), in, w.Key())
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// Blocks whose leaf hashes begin alike are not taken for one another, and what the reader does not hold is no copy.
func TestCopiesAreCompared(t *testing.T) {
	snapshot := twice(t, 100)
	var all Indexes
	index := all.Of(snapshot.Key(), 0)
	leaf, err := snapshot.Node(t.Context(), 2*150)
	if err != nil {
		t.Fatal(err)
	}
	index.blocks[leafPrefix(leaf.Hash)] = 7 // which is block 50's
	find := func(held ...objects.Span) (copies []objects.Copy, others []merkle.Node) {
		ask := objects.AskCopies{AskLeaves: objects.AskLeaves{First: 150, Count: 1}, Held: held}
		return new(Tail).Find(t.Context(), snapshot, index, ask, []merkle.Node{leaf})
	}
	if copies, others := find(objects.Span{First: 0, Count: 100}); len(copies) != 0 || len(others) != 1 {
		t.Errorf("%v, %v", copies, others)
	}
	index.blocks[leafPrefix(leaf.Hash)] = 50
	if copies, others := find(objects.Span{First: 0, Count: 100}); fmt.Sprint(copies) != "[{0 1 50}]" || len(others) != 0 {
		t.Errorf("%v, %v", copies, others)
	}
	if copies, others := find(objects.Span{First: 0, Count: 50}, objects.Span{First: 51, Count: 49}); len(copies) != 0 || len(others) != 1 {
		t.Errorf("%v, %v", copies, others)
	}
}
