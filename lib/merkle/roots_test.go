package merkle_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"hc/lib/hash"
	"hc/lib/merkle"
)

// Many leaves at once give the same nodes, in the same order, as one by one.
func TestAppendAll(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 300 {
		one, _ := merkle.NewRoots(0, nil)
		all, _ := merkle.NewRoots(0, nil)
		for range 1 + round%7 {
			leaves := make([]merkle.Node, random.IntN(1+round))
			for i := range leaves {
				var seed [8]byte
				binary.LittleEndian.PutUint64(seed[:], random.Uint64())
				leaves[i] = merkle.LeafNodeHash(one.Length()+uint64(i), random.Uint64N(1<<30), hash.Leaf(seed[:]))
			}
			var want, got []merkle.Node
			for _, leaf := range leaves {
				want = append(want, leaf)
				one.Append(leaf, func(n merkle.Node) { want = append(want, n) })
			}
			if round%2 == 0 {
				all.AppendAll(leaves, func(n merkle.Node) { got = append(got, n) })
				if !slices.Equal(got, want) {
					t.Fatalf("%d leaves on top of %d: %d nodes, want %d, or others", len(leaves), one.Length(), len(got), len(want))
				}
			} else {
				all.AppendAll(leaves, nil)
			}
			if all.Length() != one.Length() || !slices.Equal(all.Nodes(), one.Nodes()) {
				t.Fatalf("%d leaves: roots %v of length %d, want %v of %d", len(leaves), all.Nodes(), all.Length(), one.Nodes(), one.Length())
			}
		}
	}
}

func TestAppendAllRefuses(t *testing.T) {
	roots, _ := merkle.NewRoots(0, nil)
	defer func() {
		if recover() == nil {
			t.Error("a leaf out of order was appended")
		}
	}()
	roots.AppendAll([]merkle.Node{merkle.LeafNodeHash(0, 1, hash.Digest{}), merkle.LeafNodeHash(2, 1, hash.Digest{})}, nil)
}

func BenchmarkRoots(b *testing.B) {
	leaves := make([]merkle.Node, 4096)
	for i := range leaves {
		leaves[i] = merkle.LeafNodeHash(uint64(i), 50, hash.Leaf([]byte{byte(i)}))
	}
	b.Run("one by one", func(b *testing.B) {
		for b.Loop() {
			roots, _ := merkle.NewRoots(0, nil)
			for _, leaf := range leaves {
				roots.Append(leaf, nil)
			}
		}
	})
	b.Run("all at once", func(b *testing.B) {
		for b.Loop() {
			roots, _ := merkle.NewRoots(0, nil)
			roots.AppendAll(leaves, nil)
		}
	})
}
