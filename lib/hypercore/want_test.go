package hypercore

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// scattered returns an asker for a core of some blocks, whose download has a reader in no order.
func scattered(t *testing.T, blocks [][]byte, into *store.Store) *asker {
	t.Helper()
	from := newStore(t)
	key, _ := appended(t, from, "log", AppendOptions{}, blocks...)
	a := newAsker(t, from, into, key)
	d, err := NewDownload(t.Context(), key, DownloadOptions{Store: into, Scattered: true})
	if err != nil {
		t.Fatal(err)
	}
	a.d = d
	a.upgrade()
	return a
}

// Blocks that a scattered reader has read take no memory, once they are saved or if there is nowhere to save them.
func TestScatteredReader(t *testing.T) {
	for name, into := range map[string]*store.Store{"store": newStore(t), "no store": nil} {
		t.Run(name, func(t *testing.T) {
			blocks := someBlocks(100)
			a := scattered(t, blocks, into)
			order := rand.New(rand.NewPCG(4, 4)).Perm(len(blocks))
			total := 0
			for _, block := range order {
				a.block(uint64(block))
				total += cost(blocks[block])
			}
			if got := a.d.Unread(); got != total {
				t.Errorf("%d bytes are unread, want %d", got, total)
			}
			for _, block := range order[:50] {
				data, err := a.d.Block(t.Context(), uint64(block))
				if err != nil || !bytes.Equal(data, blocks[block]) {
					t.Fatalf("block %d: %q, %v", block, data, err)
				}
				total -= cost(blocks[block])
			}
			if got := a.d.Unread(); got != total {
				t.Errorf("%d bytes are unread when half was read, want %d", got, total)
			}
			a.save()
			if got := a.d.memory; got != total {
				t.Errorf("%d bytes in memory after saving, %d are unread", got, total)
			}
			if into == nil {
				return
			}
			if got := a.d.Unread(); got != 0 { // saved blocks keep nothing from coming
				t.Errorf("%d bytes are unread after saving", got)
			}
			for _, block := range append(order[50:], order...) { // and again, from the store
				if data, err := a.d.Block(t.Context(), uint64(block)); err != nil || !bytes.Equal(data, blocks[block]) {
					t.Fatalf("block %d in the store: %q, %v", block, data, err)
				}
			}
			if a.d.memory != 0 || a.d.Unread() != 0 {
				t.Errorf("%d bytes in memory, %d unread, at the end", a.d.memory, a.d.Unread())
			}
		})
	}
}

// Of the blocks that are saved but not read, a limited amount stays in memory, first those that came first: the
// reader gets to them first.
func TestScatteredReaderIsBehind(t *testing.T) {
	blocks := make([][]byte, 24)
	for i := range blocks {
		blocks[i] = bytes.Repeat([]byte{byte(i)}, 1<<20)
	}
	a := scattered(t, blocks, newStore(t))
	most := keepSaved / cost(blocks[0])
	for block := range blocks {
		a.block(uint64(block))
		if block%6 == 5 {
			a.save()
		}
	}
	if len(a.d.blocks) != most || a.d.memory != most*cost(blocks[0]) || a.d.Unread() != 0 {
		t.Errorf("%d blocks, %d bytes, in memory, %d unread, want %d blocks", len(a.d.blocks), a.d.memory, a.d.Unread(), most)
	}
	for block, want := range blocks {
		if _, here := a.d.blocks[uint64(block)]; here != (block < most) {
			t.Errorf("block %d is in memory: %v", block, here)
		}
		if data, err := a.d.Block(t.Context(), uint64(block)); err != nil || !bytes.Equal(data, want) {
			t.Fatalf("block %d: %d bytes, %v", block, len(data), err)
		}
	}
	if len(a.d.blocks) != 0 || a.d.memory != 0 || a.d.Unread() != 0 {
		t.Errorf("%d blocks, %d bytes, in memory, %d unread, at the end", len(a.d.blocks), a.d.memory, a.d.Unread())
	}
}

// For a reader in order, as much stays in memory as it may lag behind: the nearest blocks.
func TestOrderedReaderIsBehind(t *testing.T) {
	blocks := make([][]byte, 12)
	for i := range blocks {
		blocks[i] = bytes.Repeat([]byte{byte(i)}, 1<<20)
	}
	from, into := newStore(t), newStore(t)
	key, _ := appended(t, from, "log", AppendOptions{}, blocks...)
	a := newAsker(t, from, into, key)
	a.upgrade()
	for block := range blocks {
		a.block(uint64(block))
	}
	a.save()
	most := keepOrdered / cost(blocks[0])
	for block, want := range blocks {
		if _, here := a.d.blocks[uint64(block)]; here != (block < most) {
			t.Errorf("block %d is in memory: %v", block, here)
		}
		if data, err := a.d.Block(t.Context(), uint64(block)); err != nil || !bytes.Equal(data, want) {
			t.Fatalf("block %d: %d bytes, %v", block, len(data), err)
		}
	}
}

func TestMissing(t *testing.T) {
	a := scattered(t, someBlocks(20), newStore(t))
	for _, block := range []uint64{0, 1, 2, 7, 8, 19} {
		a.block(block)
	}
	a.save()
	a.block(12)
	for _, c := range []struct{ first, end, want uint64 }{
		{0, 0, 0}, {0, 3, 0}, {0, 4, 1}, {0, 20, 13}, {3, 7, 4}, {7, 9, 0}, {9, 19, 9}, {12, 13, 0}, {10, 14, 3}, {5, 20, 11},
	} {
		if got, err := a.d.Missing(t.Context(), BlockRange{c.first, c.end}); got != c.want || err != nil {
			t.Errorf("Missing(%d, %d) = %d, %v, want %d", c.first, c.end, got, err, c.want)
		}
	}
}

func TestWantsAreSettledWhenAllAreTaken(t *testing.T) {
	a := scattered(t, someBlocks(3), nil)
	if err := a.d.AwaitWants(t.Context()); err != nil {
		t.Errorf("with no wants: %v", err)
	}
	a.d.Want(BlockRange{0, 2})
	a.d.WantSoon(BlockRange{2, 3})
	a.d.WantsSettled() // nobody has taken them
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := a.d.AwaitWants(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("wants that nobody took: %v", err)
	}
	soon, later := a.d.TakeWants()
	if len(soon) != 1 || soon[0] != (BlockRange{2, 3}) || len(later) != 1 || later[0] != (BlockRange{0, 2}) {
		t.Errorf("TakeWants() = %v, %v", soon, later)
	}
	a.d.WantsSettled()
	if err := a.d.AwaitWants(t.Context()); err != nil {
		t.Errorf("settled wants: %v", err)
	}
	a.d.Want(BlockRange{0, 1})
	gone := errors.New("all peers are gone")
	a.d.Finish(gone)
	if err := a.d.AwaitWants(t.Context()); !errors.Is(err, gone) {
		t.Errorf("wants of a download that is over: %v", err)
	}
}

func TestAwaitLength(t *testing.T) {
	a := scattered(t, someBlocks(5), nil)
	if !a.d.AwaitLength(t.Context(), 5) {
		t.Error("5 blocks are not 5")
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if a.d.AwaitLength(ctx, 6) {
		t.Error("5 blocks are 6")
	}
	a.d.Finish(nil)
	if a.d.AwaitLength(t.Context(), 6) || !a.d.AwaitLength(t.Context(), 5) {
		t.Error("a download that is over has another length")
	}
}

// A scattered reader without a store forgets tree nodes, and continues.
func TestScatteredNodesAreBounded(t *testing.T) {
	blocks := someBlocks(64)
	a := scattered(t, blocks, nil)
	for block := range uint64(32) {
		a.block(block)
	}
	for index := range uint64(maxScattered) { // as if of a long log
		a.d.nodes[1<<40+index] = merkle.Node{Index: 1<<40 + index}
	}
	for block := uint64(32); block < 64; block++ {
		a.block(block)
	}
	if len(a.d.nodes) > 1000 {
		t.Errorf("%d nodes are held", len(a.d.nodes))
	}
	for block := range uint64(64) {
		if data, err := a.d.Block(t.Context(), block); err != nil || !bytes.Equal(data, blocks[block]) {
			t.Errorf("block %d: %q, %v", block, data, err)
		}
	}
	a.d.Finish(nil)
	if _, err := a.d.Block(t.Context(), 0); !errors.Is(err, proof.ErrBlockMissing) {
		t.Errorf("a block that was read and let go: %v", err)
	}
}
