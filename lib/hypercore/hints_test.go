package hypercore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"hc/lib/hash"
	"hc/lib/merkle"
)

// In whatever order things come, hashes alone, leaves ahead of their blocks, blocks together or one by one: the size
// of a node can be made certain once all blocks below it are here, and until then SettleNode names a block that it
// needs.
func TestHintsOverBlocks(t *testing.T) {
	from, blocks := newStore(t), someBlocks(21)
	key, _ := appended(t, from, "log", AppendOptions{}, blocks...)
	seeds := uint64(120)
	if testing.Short() {
		seeds = 15
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		a := newAsker(t, from, newStore(t), key)
		a.upgrade()
		var done []string
		for range 40 {
			done = append(done, a.anything(r, blocks))
			if bad := a.hintOverBlocks(uint64(len(blocks))); bad != "" {
				t.Fatalf("seed %d: behind %v: %s", seed, done, bad)
			}
		}
	}
}

// anything takes in something random.
func (a *asker) anything(r *rand.Rand, blocks [][]byte) string {
	a.t.Helper()
	ctx, length := a.t.Context(), uint64(len(blocks))
	first := r.Uint64N(length)
	end := min(first+1+r.Uint64N(6), length)
	lacks := func(block uint64) bool {
		held, err := a.d.Holds(ctx, block)
		if err != nil {
			a.t.Fatal(err)
		}
		return !held
	}
	switch r.IntN(6) {
	case 0:
		node := r.Uint64N(2 * length)
		if merkle.RightSpan(node) < 2*length && !a.d.Knows(ctx, node) {
			a.hash(node)
			return fmt.Sprintf("hash %d", node)
		}
	case 1:
		a.leavesAhead(first, end)
		return fmt.Sprintf("leaves %d-%d", first, end)
	case 2:
		if lacks(first) {
			a.block(first)
			return fmt.Sprintf("block %d", first)
		}
	case 3:
		_, known := a.d.Leaf(ctx, first)
		if known && lacks(first) {
			if err := a.d.ApplyKnown(ctx, first, blocks[first], hash.Leaf(blocks[first]), nil); err != nil && !errors.Is(err, merkle.ErrNodeMissing) {
				a.t.Error(err)
			}
			return fmt.Sprintf("known %d", first)
		}
	case 4:
		a.save()
		return "save"
	default:
		for at := first; at < end; at++ {
			if !lacks(at) {
				end = at
			}
		}
		if end > first {
			a.blocks(blocks, first, first+1+r.Uint64N(end-first), end)
			return fmt.Sprintf("blocks %d-%d", first, end)
		}
	}
	return ""
}

// hintOverBlocks returns what is wrong with a node whose size is a hint.
func (a *asker) hintOverBlocks(length uint64) string {
	for index := range 2 * length {
		node, err := a.d.Peek(a.t.Context(), index)
		if err != nil || !node.Hint || merkle.RightSpan(index) >= 2*length {
			continue
		}
		all := true
		for block := merkle.FirstBlock(index); block <= merkle.LastBlock(index); block++ {
			held, err := a.d.Holds(a.t.Context(), block)
			all = all && held && err == nil
		}
		block, lacks, err := a.d.SettleNode(a.t.Context(), index)
		if err != nil || lacks && all || lacks && (block < merkle.FirstBlock(index) || block > merkle.LastBlock(index)) {
			return fmt.Sprintf("settling node %d, all blocks here: %v, it lacks block %d: %v, %v", index, all, block, lacks, err)
		}
		if node, err := a.d.Peek(a.t.Context(), index); !lacks && (err != nil || node.Hint || !merkle.Same(node, a.nodes([]uint64{index})[0])) {
			return fmt.Sprintf("node %d is %+v, %v", index, node, err)
		}
		if held, err := a.d.Holds(a.t.Context(), block); lacks && (held || err != nil) {
			return fmt.Sprintf("node %d lacks block %d, which is here; %v", index, block, err)
		}
	}
	return ""
}
