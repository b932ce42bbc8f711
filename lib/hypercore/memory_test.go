package hypercore

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
)

// Blocks and nodes leave memory once they are saved and read, even while others come during each save.
func TestDownloadForgets(t *testing.T) {
	const count = 3000
	from, into := newStore(t), newStore(t)
	var blocks [][]byte
	for i := range count {
		blocks = append(blocks, fmt.Appendf(nil, "%d", i))
	}
	key, _ := appended(t, from, "log", AppendOptions{}, blocks...)
	a := newAsker(t, from, into, key)
	a.upgrade()
	saved := make(chan error, 1)
	most := 0
	for block := range uint64(count) {
		a.block(block)
		if _, err := a.d.Block(t.Context(), block); err != nil {
			t.Fatal(err)
		}
		if block%100 == 50 {
			go func() { saved <- a.d.Save(context.WithoutCancel(t.Context())) }()
		}
		if block%100 == 60 {
			if err := <-saved; err != nil {
				t.Fatal(err)
			}
			most = max(most, len(a.d.nodes), len(a.d.blocks))
		}
	}
	if most > 200 {
		t.Errorf("%d nodes or blocks were in memory behind a save of 100 blocks", most)
	}
	if a.d.memory != sum(a.d.blocks) || a.d.Unread() > 2*cost(blocks[count-1]) {
		t.Errorf("memory %d, unread %d, of %d bytes", a.d.memory, a.d.unread, sum(a.d.blocks))
	}
}

func sum(blocks map[uint64]held) (bytes int) {
	for _, h := range blocks {
		bytes += cost(h.data)
	}
	return bytes
}

// Without a store, blocks that do not fit are forgotten from the far end, and never the one that the reader waits
// for.
func TestEvict(t *testing.T) {
	from := newStore(t)
	blocks := make([][]byte, 64)
	for i := range blocks {
		blocks[i] = bytes.Repeat([]byte{byte(i)}, 1000)
	}
	key, _ := appended(t, from, "log", AppendOptions{}, blocks...)
	a := newAsker(t, from, nil, key)
	a.upgrade()
	for _, block := range rand.New(rand.NewPCG(5, 6)).Perm(len(blocks)) {
		a.block(uint64(block))
	}
	limit := 10 * cost(blocks[0])
	evicted := a.d.Evict(limit)
	if len(evicted) != len(blocks)-10 || a.d.Unread() > limit {
		t.Fatalf("%d evicted, %d bytes unread", len(evicted), a.d.Unread())
	}
	for block := range uint64(10) {
		if data, err := a.d.Block(t.Context(), block); err != nil || !bytes.Equal(data, blocks[block]) {
			t.Fatalf("block %d: %v", block, err)
		}
	}
	for _, block := range evicted {
		if held, _ := a.d.Holds(t.Context(), block); held {
			t.Fatalf("block %d is held", block)
		}
	}
	a.block(63)
	if got := a.d.Evict(0); len(got) != 1 || got[0] != 63 {
		t.Errorf("evicted %v", got)
	}
}

// Looking at blocks out of order, as for their sizes, does not move the reader past others.
func TestLookingAheadIsNoStep(t *testing.T) {
	from := newStore(t)
	key, _ := appended(t, from, "log", AppendOptions{}, someBlocks(20)...)
	a := newAsker(t, from, nil, key)
	a.upgrade()
	for block := range uint64(20) {
		a.block(block)
	}
	a.d.Start(3)
	for _, block := range []uint64{17, 3, 4, 19, 5} {
		if _, err := a.d.Block(t.Context(), block); err != nil {
			t.Fatal(err)
		}
	}
	if got := a.d.Position(); got != 5 {
		t.Errorf("the reader is at block %d, want 5", got)
	}
}
