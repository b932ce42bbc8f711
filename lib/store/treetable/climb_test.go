package treetable

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"hc/lib/merkle"
)

// learner is a plain set of nodes.
type learner map[uint64]merkle.Node

func (l learner) learn(t *testing.T, n merkle.Node) {
	t.Helper()
	err := climbOne(n, func(index uint64) (merkle.Node, bool, error) {
		n, ok := l[index]
		return n, ok, nil
	}, func(n merkle.Node) { l[n.Index] = n })
	if err != nil {
		t.Fatal(err)
	}
}

// treeOf returns all nodes of the tree over some blocks, by their indexes.
func treeOf(t *testing.T, blocks ...[]byte) map[uint64]merkle.Node {
	t.Helper()
	roots, err := merkle.NewRoots(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[uint64]merkle.Node{}
	for i, block := range blocks {
		leaf := merkle.LeafNode(uint64(i), block)
		all[leaf.Index] = leaf
		roots.Append(leaf, func(n merkle.Node) { all[n.Index] = n })
	}
	return all
}

// TestClimb adds all blocks in random order: every node follows, and is certain.
func TestClimb(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for length := range uint64(40) {
		var blocks [][]byte
		for i := range length {
			blocks = append(blocks, fmt.Append(nil, i))
		}
		all := treeOf(t, blocks...)
		l := learner{}
		for _, b := range r.Perm(int(length)) {
			l.learn(t, all[2*uint64(b)])
		}
		if len(l) != len(all) {
			t.Fatalf("of %d nodes %d follow", len(all), len(l))
		}
		for index, want := range all {
			if l[index] != want {
				t.Fatalf("node %d is %v, want %v", index, l[index], want)
			}
		}
	}
}

func TestClimbHints(t *testing.T) {
	all := treeOf(t, []byte("a"), []byte("bb"), []byte("ccc"), []byte("dddd"))
	hint := func(index uint64) merkle.Node {
		n := all[index]
		n.Hint = true
		return n
	}
	l := learner{}
	l.learn(t, all[3]) // the root, signed
	l.learn(t, hint(5))
	l.learn(t, hint(2))
	if !l[5].Hint || !l[2].Hint {
		t.Fatal("a hint became certain by itself")
	}
	l.learn(t, all[0]) // makes node 1, of certain and hint; so with the hint 5 all is as the root says, or not
	if !l[2].Hint || !l[1].Hint || !l[5].Hint {
		t.Fatalf("sizes are certain that are not: %v", l)
	}
	l.learn(t, all[2])
	for _, index := range []uint64{0, 2, 1, 3, 5} {
		if l[index].Hint || !merkle.Same(l[index], all[index]) {
			t.Fatalf("node %d is %v, want it certain", index, l[index])
		}
	}
	// A forged pair of sizes, with the right sum, remains a hint, and both go once one block shows the truth.
	forged := learner{}
	forged.learn(t, all[1])
	one, two := hint(0), hint(2)
	one.Size, two.Size = 2, 1
	forged.learn(t, one)
	forged.learn(t, two)
	if !forged[0].Hint || !forged[2].Hint {
		t.Fatal("forged sizes are certain")
	}
	forged.learn(t, all[0])
	if forged[0] != all[0] || forged[2] != all[2] {
		t.Fatalf("nodes 0 and 2 are %v and %v", forged[0], forged[2])
	}
}

// Leaves that are added by subtrees give the same nodes as one by one, whatever is known, as a hint or for certain.
func TestClimbSubtree(t *testing.T) {
	const length = 3 * climbTogether / 2
	blocks := make([][]byte, length)
	for i := range blocks {
		blocks[i] = make([]byte, i*31%97)
	}
	all := treeOf(t, blocks...)
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		one, many := map[uint64]merkle.Node{}, NewSet()
		for index, n := range all {
			if random.IntN(10) == 0 {
				if n.Hint = random.IntN(2) == 0; n.Hint {
					n.Size += uint64(random.IntN(2))
				}
				one[index] = n
				many.put(n)
			}
		}
		lookUps := 0
		knownOne := func(index uint64) (merkle.Node, bool, error) {
			n, ok := one[index]
			return n, ok, nil
		}
		knownMany := func(index uint64) (merkle.Node, bool, error) {
			lookUps++
			n, ok := many.Get(index)
			return n, ok, nil
		}
		first, skipped := random.Uint64N(length/2), uint64(0)
		if seed%2 == 1 {
			skipped = first + random.Uint64N(length/2)
		}
		each := func(take func(merkle.Node) error) error {
			for i := first; i < length; i++ {
				if i == skipped && skipped > 0 {
					continue
				}
				if err := take(all[2*i]); err != nil {
					return err
				}
			}
			return nil
		}
		if err := each(func(n merkle.Node) error { return climbOne(n, knownOne, func(n merkle.Node) { one[n.Index] = n }) }); err != nil {
			t.Fatal(err)
		}
		if err := InSubtrees(func(leaves []merkle.Node) error { return Climb(leaves, knownMany, &many) }, each); err != nil {
			t.Fatal(err)
		}
		for index, want := range one {
			if got, ok := many.Get(index); !ok || !want.Hint && got != want { // a certain node here may have been a hint
				t.Fatalf("seed %d: node %d is %+v, %v, want %+v", seed, index, got, ok, want)
			}
		}
		for index, want := range all {
			if n, ok := many.Get(index); ok && !n.Hint && n != want {
				t.Fatalf("seed %d: node %d is %+v, want %+v", seed, index, n, want)
			}
		}
		if lookUps > 500 {
			t.Errorf("seed %d: %d look-ups for %d blocks", seed, lookUps, length-first)
		}
	}
}
