package merkle

import (
	"math/rand/v2"
	"slices"
	"testing"

	"hc/lib/hash"
)

// TestCoverLeaves adds leaves in batches of any size, at any start: the result is the same as when they are added one
// by one, and equals the subtrees that cover the range.
func TestCoverLeaves(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		first, count := random.Uint64N(200), 1+random.Uint64N(400)
		var leaves []Node
		for i := range count {
			leaves = append(leaves, LeafNodeHash(first+i, random.Uint64N(100), hash.Sum([]byte{byte(i), byte(i >> 8)})))
		}
		var one, all Cover
		for _, leaf := range leaves {
			one.Add(leaf)
		}
		for rest := leaves; len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			all.AddLeaves(rest[:n])
			rest = rest[n:]
		}
		all.AddLeaves(nil)
		if !slices.Equal(one.Nodes(), all.Nodes()) {
			t.Fatalf("%d blocks from %d: %v, one by one %v", count, first, all.Nodes(), one.Nodes())
		}
		var indexes []uint64
		for _, n := range all.Nodes() {
			indexes = append(indexes, n.Index)
		}
		if want := Subtrees(first, first+count); !slices.Equal(indexes, want) {
			t.Fatalf("%d blocks from %d: nodes %v, want %v", count, first, indexes, want)
		}
	}
}

// Roots that grow by covers of any lengths equal those that grow by leaves.
func TestAppendCover(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		leaves, covers := &Roots{}, &Roots{}
		for range 5 {
			var cover Cover
			for range random.Uint64N(100) {
				leaf := LeafNodeHash(leaves.Length(), random.Uint64N(9), hash.Sum([]byte{byte(random.Uint32())}))
				leaves.Append(leaf, nil)
				cover.AddLeaves([]Node{leaf})
			}
			covers.AppendCover(cover.Nodes())
			if covers.Length() != leaves.Length() || !slices.Equal(covers.Nodes(), leaves.Nodes()) {
				t.Fatalf("%d blocks: %v, from leaves %v", leaves.Length(), covers.Nodes(), leaves.Nodes())
			}
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a node that does not follow was taken")
		}
	}()
	(&Roots{}).AppendCover([]Node{LeafNodeHash(1, 1, hash.Digest{})})
}

// TestCoverFromRoots continues from roots, and leaves them unchanged.
func TestCoverFromRoots(t *testing.T) {
	leaf := func(block uint64) Node { return LeafNodeHash(block, 1, hash.Sum([]byte{byte(block)})) }
	roots, err := NewRoots(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	roots.AppendAll([]Node{leaf(0), leaf(1), leaf(2)}, nil)
	before := roots.Nodes()
	c := NewCover(before)
	c.AddLeaves([]Node{leaf(3)})
	if len(before) != 2 || before[1] != leaf(2) {
		t.Errorf("the roots became %v", before)
	}
	roots.AppendAll([]Node{leaf(3)}, nil)
	if !slices.Equal(c.Nodes(), roots.Nodes()) {
		t.Errorf("cover %v, roots %v", c.Nodes(), roots.Nodes())
	}
}
