package merkle

import (
	"testing"
)

// A subtree has the same nodes as a log that grows leaf by leaf, wherever it is in that log.
func TestSubtree(t *testing.T) {
	const length = 96
	want := map[uint64]Node{}
	roots, err := NewRoots(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(length) {
		leaf := LeafNode(i, make([]byte, i*37%101))
		want[leaf.Index] = leaf
		roots.Append(leaf, func(n Node) { want[n.Index] = n })
	}
	for count := uint64(1); count <= 32; count *= 2 {
		for first := uint64(0); first < length; first += count {
			var leaves []Node
			for i := range count {
				leaves = append(leaves, want[2*(first+i)])
			}
			emitted := 0
			root := Subtree(leaves, func(n Node) {
				emitted++
				if n != want[n.Index] || FirstBlock(n.Index) < first || LastBlock(n.Index) >= first+count {
					t.Errorf("of %d leaves from %d on: %v, want %v", count, first, n, want[n.Index])
				}
			})
			if root != want[root.Index] || FirstBlock(root.Index) != first || LastBlock(root.Index) != first+count-1 || emitted != int(2*count-2) {
				t.Errorf("of %d leaves from %d on: root %v, and %d nodes below it", count, first, root, emitted)
			}
		}
	}
}

func TestSubtreeRefuses(t *testing.T) {
	for _, test := range []struct{ first, count uint64 }{{0, 3}, {1, 2}, {2, 4}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d leaves from %d on are taken for a subtree", test.count, test.first)
				}
			}()
			leaves := make([]Node, test.count)
			for i := range leaves {
				leaves[i].Index = 2 * (test.first + uint64(i))
			}
			Subtree(leaves, func(Node) {})
		}()
	}
}
