package treetable

import (
	"testing"

	"hc/lib/merkle"
)

func TestNumber(t *testing.T) {
	for number, index := range []uint64{0, 2, 1, 4, 6, 5, 3, 8, 10, 9, 12, 14, 13, 11, 7, 16} {
		if got := Number(index); got != uint64(number) {
			t.Errorf("postOrder(%d) = %d, want %d", index, got, number)
		}
		if got := Index(uint64(number)); got != index {
			t.Errorf("nodeAt(%d) = %d, want %d", number, got, index)
		}
	}
	roots, _ := merkle.NewRoots(0, nil)
	next := uint64(0)
	check := func(n merkle.Node) {
		if got := Number(n.Index); got != next {
			t.Fatalf("postOrder(%d) = %d, want %d", n.Index, got, next)
		}
		next++
	}
	for block := range uint64(1000) {
		leaf := merkle.LeafNode(block, nil)
		check(leaf)
		roots.Append(leaf, check)
		if got := Count(block + 1); got != next {
			t.Fatalf("postOrderOf(%d) = %d, want %d", block+1, got, next)
		}
	}
}
