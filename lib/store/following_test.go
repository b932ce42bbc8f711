package store

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"hc/lib/merkle"
)

// TestFollowing compares the nodes that follow with those found by trying all of them until no more follow.
func TestFollowing(t *testing.T) {
	const length = 64
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 9))
		tx := &Tx{view: &View{}, nodes: make(map[uint64]merkle.Node)}
		want := make(map[uint64]bool)
		for b := range uint64(length) {
			if r.IntN(3) == 0 {
				tx.puts = append(tx.puts, putBlock{block: b})
				want[2*b] = true
			}
		}
		for index := range uint64(2*length - 1) {
			if r.IntN(2) == 0 {
				tx.nodes[index] = merkle.Node{Index: index, Hint: r.IntN(4) == 0}
			}
		}
		for more := true; more; {
			more = false
			for index := range maps.Clone(want) {
				n, came := tx.nodes[merkle.Sibling(index)]
				parent := merkle.Parent(index)
				if (want[merkle.Sibling(index)] || came && !n.Hint) && !want[parent] {
					want[parent], more = true, true
				}
			}
		}
		maps.DeleteFunc(want, func(index uint64, _ bool) bool { _, came := tx.nodes[index]; return !came })
		got, err := tx.following(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if wanted := slices.Sorted(maps.Keys(want)); !slices.Equal(got, wanted) {
			t.Fatalf("seed %d: %v follow, want %v", seed, got, wanted)
		}
	}
}
