package copies

import (
	"fmt"
	"slices"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/replicate/replicatetest"
)

// twice returns a core that has so many blocks, none like another, and then the same once more.
func twice(t *testing.T, count int) *hypercore.Snapshot {
	t.Helper()
	blocks := replicatetest.Blocks(count, 1000)
	return replicatetest.Snapshot(t, slices.Concat(blocks, blocks))
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
