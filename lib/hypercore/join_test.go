package hypercore

import (
	"testing"

	"hc/lib/hash"
	"hc/lib/merkle"
)

// An answer that ends early, wherever that is, can be verified with the nodes that were asked for and those over the
// rest, even if the nodes after it are known but for their sizes.
func TestAnswersThatEndEarly(t *testing.T) {
	from, blocks := newStore(t), someBlocks(21)
	key, _ := appended(t, from, "log", AppendOptions{}, blocks...)
	length := uint64(len(blocks))
	for _, ahead := range []bool{false, true} {
		for first := range length {
			for end := first + 1; end <= length; end++ {
				for given := first + 1; given <= end; given++ {
					a := newAsker(t, from, nil, key)
					a.upgrade()
					if ahead && end < length {
						a.leavesAhead(end, length)
					}
					a.blocks(blocks, first, given, end)
				}
			}
		}
	}
}

func (a *asker) nodes(indexes []uint64) (nodes []merkle.Node) {
	a.t.Helper()
	for _, index := range indexes {
		node, err := a.from.Node(a.t.Context(), index)
		if err != nil {
			a.t.Fatal(err)
		}
		nodes = append(nodes, node)
	}
	return nodes
}

// leavesAhead takes the leaf hashes of blocks that do not come yet.
func (a *asker) leavesAhead(first, end uint64) {
	a.t.Helper()
	needs := a.d.Needs(a.t.Context(), first, end, func(uint64) bool { return false })
	var leaves []uint64
	for block := first; block < end; block++ {
		leaves = append(leaves, 2*block)
	}
	if err := a.d.ApplyLeaves(a.t.Context(), 0, first, a.nodes(leaves), a.nodes(needs.Nodes)); err != nil {
		a.t.Fatal(err)
	}
}

// blocks asks for first … end-1 and gets first … given-1.
func (a *asker) blocks(blocks [][]byte, first, given, end uint64) {
	a.t.Helper()
	needs := a.d.Needs(a.t.Context(), first, end, func(uint64) bool { return false })
	nodes := a.nodes(append(needs.Nodes, merkle.Subtrees(given, end)...))
	leaves := make([]hash.Digest, given-first)
	HashBlocks(leaves, blocks[first:given])
	if err := a.d.ApplyBlocks(a.t.Context(), 0, first, blocks[first:given], leaves, nodes, nil); err != nil {
		a.t.Errorf("blocks %d to %d of those to %d: %v", first, given, end, err)
	}
}
