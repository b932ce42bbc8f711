package treetable

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"hc/lib/merkle"
	"hc/lib/store/packlog"
	"hc/lib/store/table"
)

// A set that is given single nodes, subtrees whose nodes differ from those there, and cuts, has what a map has, and
// writes it.
func TestSet(t *testing.T) {
	const length = 1 << 10
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		set, want := NewSet(), map[uint64]merkle.Node{}
		certain := map[uint64]bool{} // in a subtree: no single node is set there any more
		for range 40 {
			size := uint64(1) << random.IntN(9)
			first := random.Uint64N(length/size) * size
			switch random.IntN(10) {
			case 0:
				cut := random.Uint64N(length)
				set.Cut(cut)
				maps.DeleteFunc(want, func(index uint64, _ merkle.Node) bool { return merkle.LastBlock(index) >= cut })
				maps.DeleteFunc(certain, func(index uint64, _ bool) bool { return merkle.LastBlock(index) >= cut })
			case 1:
				old := set
				set = set.Clone()
				old.Cut(0)
			case 2, 3, 4:
				n := merkle.Node{Index: random.Uint64N(2 * length), Size: random.Uint64N(9), Hint: random.IntN(2) == 0}
				if !certain[n.Index] {
					set.put(n)
					want[n.Index] = n
				}
			default:
				var leaves []merkle.Node
				for block := range size {
					leaves = append(leaves, merkle.Node{Index: 2 * (first + block), Size: random.Uint64N(100)})
				}
				if size == 1 {
					continue
				}
				_, below := hashSubtree(leaves)
				set.putBelow(below)
				merkle.Subtree(leaves, func(n merkle.Node) {
					if size >= rowsFrom || !certain[n.Index] {
						want[n.Index], certain[n.Index] = n, size >= rowsFrom
					}
				})
			}
			for index := range uint64(2*length + 2) {
				got, ok := set.Get(index)
				if n, there := want[index]; ok != there || got != n {
					t.Fatalf("seed %d: node %d is %+v, %v, want %+v, %v", seed, index, got, ok, n, there)
				}
			}
		}
		if set.Len() < len(want) {
			t.Fatalf("seed %d: %d nodes, want at least %d", seed, set.Len(), len(want))
		}
		compareNodes(t, &set, want)
		if set.Clear(); set.Len() > 0 {
			t.Fatalf("seed %d: %d nodes are left", seed, set.Len())
		}
	}
}

// compareNodes writes a set as a table, and compares that with the expected nodes.
func compareNodes(t *testing.T, set *Set, want map[uint64]merkle.Node) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tree")
	w, err := table.Create(packlog.OS(), path, Schema)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.AddTo(w); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	tree, err := table.Open(packlog.OS(), path, Schema, table.NewCache(1<<20, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	var got []merkle.Node
	for r, err := range tree.Scan(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, DecodeValue(Index(binary.BigEndian.Uint64(r.Key)), r.Value))
	}
	nodes := slices.SortedFunc(maps.Values(want), func(x, y merkle.Node) int { return int(Number(x.Index)) - int(Number(y.Index)) })
	if !slices.Equal(got, nodes) {
		t.Fatalf("a table of %d nodes has others than the %d that were set", len(got), len(nodes))
	}
}
