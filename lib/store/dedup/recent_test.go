package dedup

import (
	"encoding/binary"
	"testing"

	"hc/lib/hash"
)

// The last recentLimit blocks are known, with their sizes, and none before.
func TestRecent(t *testing.T) {
	leaf := func(i int) (leaf hash.Digest) {
		binary.LittleEndian.PutUint64(leaf[:], uint64(i/3)) // some in one bucket
		binary.LittleEndian.PutUint64(leaf[20:], uint64(i))
		return leaf
	}
	var r Recent
	if _, ok := r.Get(leaf(0)); ok {
		t.Fatal("it knows a block before any came")
	}
	const last = 3*recentLimit + 1000
	for i := range last {
		r.Add(leaf(i), i%1000)
		if i > 5000 && i%7777 > 0 {
			continue
		}
		for _, back := range []int{0, 1, i / 2, i, recentLimit - 1, recentLimit, recentLimit + 1} {
			if back > i {
				continue
			}
			size, ok := r.Get(leaf(i - back))
			if want := back < recentLimit; ok != want || ok && size != uint32((i-back)%1000) {
				t.Fatalf("of %d blocks the one %d before the last: %d, %v", i+1, back, size, ok)
			}
		}
		if _, ok := r.Get(leaf(i + 1)); ok {
			t.Fatalf("of %d blocks it knows one more", i+1)
		}
	}
	r.Add(leaf(last-5), 7)
	if size, ok := r.Get(leaf(last - 5)); !ok || size != 7 {
		t.Errorf("a block that came again: %d, %v, expected what came last", size, ok)
	}
}
