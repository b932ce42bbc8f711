package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"hc/lib/lent"
)

// lendable returns a view of about a dozen runs: compressed ones, raw ones, and some of small blocks.
func lendable(t *testing.T) (*View, [][]byte) {
	t.Helper()
	s := openTest(t, t.TempDir(), Options{})
	m := newModel(1)
	for i := range 100 {
		switch i % 3 {
		case 0:
			appendBlocks(t, s, m, [][]byte{noise(byte(i), 70_000+i*100)})
		case 1:
			appendBlocks(t, s, m, [][]byte{bytes.Repeat(fmt.Appendf(nil, "%d ", i), 30_000)})
		default:
			appendBlocks(t, s, m, [][]byte{fmt.Appendf(nil, "line %d\n", i), fmt.Appendf(nil, "another %d\n", i)})
		}
	}
	return m.view(t, s), m.blocks
}

// standsIn reports whether a lent block says that it is in a pack, and checks that it is.
func standsIn(t *testing.T, b LentBlock) bool {
	t.Helper()
	if b.Pack == nil {
		return false
	}
	stands := make([]byte, len(b.Data))
	if _, err := b.Pack.ReadAt(stands, b.Offset); err != nil || !bytes.Equal(stands, b.Data) {
		t.Errorf("a block of %d bytes is said to stand at %d of a pack: other bytes do, %v", len(b.Data), b.Offset, err)
	}
	return true
}

// Lent blocks are in memory that is reused for other blocks once it is released. Blocks that are not compressed also
// say where they are.
func TestLend(t *testing.T) {
	v, blocks := lendable(t)
	memories := map[*lent.Memory]bool{}
	lendings := 0
	for range 3 {
		for i, want := range blocks {
			got, err := v.Lend(t.Context(), uint64(i))
			if err != nil || !bytes.Equal(got.Data, want) {
				t.Fatalf("block %d, lent: %d bytes, %v", i, len(got.Data), err)
			}
			if got.Memory != nil {
				memories[got.Memory] = true
				lendings++
			}
			if raw := i%4 == 0; standsIn(t, got) != raw {
				t.Errorf("block %d of %d bytes: stored as it is: %v", i, len(want), raw)
			}
			got.Memory.Release()
		}
	}
	if most := lendings / 6; len(memories) > most {
		t.Errorf("%d pieces of memory for %d blocks, want %d at most", len(memories), lendings, most)
	}
	if _, err := v.Lend(t.Context(), uint64(len(blocks))); err == nil {
		t.Error("a block behind the last one is lent")
	}
}

// Many readers may be lent blocks at once, even of the same runs, and none changes while it is lent. Block's result
// stays valid for good.
func TestLendToMany(t *testing.T) {
	v, blocks := lendable(t)
	var wait sync.WaitGroup
	for reader := range 6 {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(reader)))
			var kept []byte
			var keptBlock int
			for range 300 {
				i := random.IntN(len(blocks))
				got, err := v.Lend(t.Context(), uint64(i))
				if err != nil {
					t.Error(err)
					return
				}
				j := random.IntN(len(blocks))
				other, err := v.Block(t.Context(), uint64(j))
				if err != nil || !bytes.Equal(got.Data, blocks[i]) || !bytes.Equal(other, blocks[j]) {
					t.Errorf("blocks %d and %d: %d and %d bytes, %v", i, j, len(got.Data), len(other), err)
				}
				got.Memory.Release()
				if kept != nil && !bytes.Equal(kept, blocks[keptBlock]) {
					t.Errorf("block %d has changed", keptBlock)
				}
				kept, keptBlock = other, j
			}
		})
	}
	wait.Wait()
}
