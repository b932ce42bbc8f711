package merkle_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"hc/lib/merkle"
)

// rangeParts returns what a prover sends for blocks from … to-1 to a verifier who knows these nodes and the roots.
func rangeParts(l *log, from, to, length uint64, known table) (leaves, siblings []merkle.Node, lookup func(uint64) (merkle.Node, bool)) {
	for b := from; b < to; b++ {
		leaves = append(leaves, l.nodes[2*b])
	}
	for _, n := range merkle.RangeSiblings(from, to, length, known.have) {
		siblings = append(siblings, l.nodes[n])
	}
	roots := table{}
	roots.put(l.nodes.roots(length)...)
	return leaves, siblings, func(index uint64) (merkle.Node, bool) {
		if n, ok := roots[index]; ok {
			return n, true
		}
		n, ok := known[index]
		return n, ok
	}
}

// checkRange verifies some range of some log, and checks that changed ones are refused.
func checkRange(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 3))
	l := randomLog(t, rng, 70)
	length := uint64(len(l.blocks))
	known := table{}
	if rng.IntN(2) == 0 { // what was verified on the way to some blocks earlier
		for range 1 + rng.IntN(5) {
			b := rng.Uint64N(length)
			leaves, siblings, lookup := rangeParts(l, b, b+1, length, known)
			fresh, err := merkle.ClimbRange(leaves, siblings, lookup)
			if err != nil {
				t.Fatalf("seed %d: block %d: %v", seed, b, err)
			}
			known.put(fresh...)
		}
	}
	from := rng.Uint64N(length)
	to := from + 1 + rng.Uint64N(length-from)
	leaves, siblings, lookup := rangeParts(l, from, to, length, known)
	fresh, err := merkle.ClimbRange(leaves, siblings, lookup)
	if err != nil {
		t.Fatalf("seed %d: blocks %d … %d of %d: %v", seed, from, to-1, length, err)
	}
	for _, n := range fresh {
		if n != l.nodes[n.Index] {
			t.Fatalf("seed %d: node %v, want %v", seed, n, l.nodes[n.Index])
		}
		if known.have(n.Index) {
			t.Fatalf("seed %d: node %d was known", seed, n.Index)
		}
		known.put(n)
	}
	if again := merkle.RangeSiblings(from, to, length, known.have); len(again) != 0 {
		t.Fatalf("seed %d: nodes %v are needed again", seed, again)
	}
	if fresh, err := merkle.ClimbRange(leaves, nil, lookup); err != nil || len(fresh) != 0 {
		t.Fatalf("seed %d: again: %v, %v", seed, fresh, err)
	}

	// Changed input is refused by a verifier that knows only the roots.
	nothing := table{}
	leaves, siblings, lookup = rangeParts(l, from, to, length, nothing)
	all := [][]merkle.Node{leaves, siblings}
	list := all[rng.IntN(2)]
	if len(list) == 0 {
		list = leaves
	}
	switch i := rng.IntN(len(list)); rng.IntN(3) {
	case 0:
		list[i].Hash[3] ^= 4
	case 1:
		list[i].Size++
	case 2:
		list[i].Index ^= 4
	}
	if rng.IntN(10) == 0 {
		siblings = append(siblings, merkle.Node{Index: 0})
	}
	_, err = merkle.ClimbRange(leaves, siblings, lookup)
	isLeaf := &list[0] == &leaves[0]
	if err == nil {
		t.Fatalf("seed %d: changed (a leaf: %v), and verified", seed, isLeaf)
	}
	if !errors.Is(err, merkle.ErrUnverified) {
		t.Fatalf("seed %d: error %v, want ErrUnverified", seed, err)
	}
}

func TestRandomRanges(t *testing.T) {
	for seed := range uint64(1000) {
		checkRange(t, seed)
	}
}

func FuzzRange(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { checkRange(t, seed) })
}

// TestRangeIgnoresHints ignores a hint's size, and corrects it.
func TestRangeIgnoresHints(t *testing.T) {
	l := lines(t, 4)
	known := table{}
	hint := l.nodes[0]
	hint.Size, hint.Hint = 77, true
	certain := func(n uint64) bool { k, ok := known[n]; return ok && !k.Hint }
	known.put(hint)
	siblings := []merkle.Node{}
	for _, n := range merkle.RangeSiblings(0, 1, 4, certain) {
		siblings = append(siblings, l.nodes[n])
	}
	fresh, err := merkle.ClimbRange([]merkle.Node{l.nodes[0]}, siblings, func(n uint64) (merkle.Node, bool) {
		if n == 3 {
			return l.nodes[3], true
		}
		k, ok := known[n]
		return k, ok
	})
	if err != nil || len(fresh) != 4 || fresh[0] != l.nodes[0] {
		t.Errorf("ClimbRange = %v, %v", fresh, err)
	}
}

func TestSubtrees(t *testing.T) {
	tests := []struct {
		from, to uint64
		want     string
	}{
		{0, 0, "[]"}, {0, 1, "[0]"}, {0, 8, "[7]"}, {1, 8, "[2 5 11]"}, {0, 5, "[3 8]"}, {3, 5, "[6 8]"},
		{5, 7, "[10 12]"}, {1, 2, "[2]"}, {6, 12, "[13 19]"}, {0, 1 << 52, "[4503599627370495]"},
	}
	for _, c := range tests {
		if got := fmt.Sprint(merkle.Subtrees(c.from, c.to)); got != c.want {
			t.Errorf("Subtrees(%d, %d) = %s, want %s", c.from, c.to, got, c.want)
		}
	}
}

func TestNewRootsRefuses(t *testing.T) {
	l := lines(t, 5)
	tests := []struct {
		length uint64
		nodes  []merkle.Node
		want   string
	}{
		{4, l.nodes.roots(5), "2 roots for length 4, which has 1"},
		{6, l.nodes.roots(5), "root 1 of length 6 is node 9, not 8"},
		{1 << 60, nil, "length 1152921504606846976 is over the limit of 4503599627370496 blocks"},
		{1, []merkle.Node{{Size: 1 << 53}}, "roots of length 1 are over the limit of 9007199254740991 bytes"},
	}
	for _, c := range tests {
		if _, err := merkle.NewRoots(c.length, c.nodes); err == nil || err.Error() != c.want {
			t.Errorf("NewRoots(%d, …): %v, want %s", c.length, err, c.want)
		}
	}
}

func TestRootsClone(t *testing.T) {
	l := lines(t, 5)
	roots, err := merkle.NewRoots(3, l.nodes.roots(3))
	if err != nil {
		t.Fatal(err)
	}
	clone := roots.Clone()
	clone.Append(l.nodes[6], nil)
	if roots.Length() != 3 || roots.TreeHash() != merkle.TreeHash(l.nodes.roots(3)) {
		t.Errorf("the clone's block is in the roots: %v", roots.Nodes())
	}
	if clone.Length() != 4 || clone.TreeHash() != merkle.TreeHash(l.nodes.roots(4)) || clone.ByteLength() != 1+2+3+4 {
		t.Errorf("clone %v", clone.Nodes())
	}
	defer func() {
		if recover() == nil {
			t.Error("a leaf out of order is appended")
		}
	}()
	roots.Append(l.nodes[8], nil)
}

func ExampleVerify() {
	// The writer keeps the roots, and signs their hash.
	roots, _ := merkle.NewRoots(0, nil)
	nodes := table{}
	for i, line := range []string{"one\n", "two\n", "three\n"} {
		leaf := merkle.LeafNode(uint64(i), []byte(line))
		nodes.put(leaf)
		roots.Append(leaf, func(n merkle.Node) { nodes.put(n) })
	}

	// It proves block 1 to a reader who only has the roots, and would ask for this many levels:
	ctx := context.Background()
	levels := merkle.NodesFor(2*1, 3, func(n uint64) bool { return n == 1 || n == 4 })
	request := merkle.Request{Block: &merkle.BlockRequest{Index: 1, Nodes: levels}}
	proof, _ := merkle.Prove(ctx, request, merkle.HeadInfo{Length: 3}, nodes)
	proof.Block.Value = []byte("two\n")

	v, err := merkle.Verify(ctx, proof, merkle.State{Length: 3, Roots: roots.Nodes()}, nil, nil)
	fmt.Println(levels, len(v.Nodes), err)

	proof.Block.Value = []byte("owt\n")
	_, err = merkle.Verify(ctx, proof, merkle.State{Length: 3, Roots: roots.Nodes()}, nil, nil)
	fmt.Println(err)
	// Output:
	// 1 2 <nil>
	// proof does not verify: node 1 is not one that is known
}

func BenchmarkVerify(b *testing.B) {
	ctx := context.Background()
	blocks := make([][]byte, 1<<12)
	for i := range blocks {
		blocks[i] = make([]byte, 1<<10)
	}
	l := makeLog(b, blocks)
	length := uint64(len(blocks))
	b.Run("block", func(b *testing.B) {
		p := l.prove(b, merkle.Request{Block: &merkle.BlockRequest{Index: 77, Nodes: 12}}, length)
		b.SetBytes(1 << 10)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := merkle.Verify(ctx, p, l.state(length), nil, l.check); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("range=1024", func(b *testing.B) {
		leaves, siblings, lookup := rangeParts(l, 1024, 2048, length, table{})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := merkle.ClimbRange(leaves, siblings, lookup); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	roots, _ := merkle.NewRoots(0, nil)
	leaf := merkle.LeafNode(0, nil)
	b.ReportAllocs()
	for b.Loop() {
		leaf.Index = 2 * roots.Length()
		roots.Append(leaf, nil)
	}
}
