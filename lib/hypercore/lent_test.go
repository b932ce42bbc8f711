package hypercore

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/lent"
	"hc/lib/proof"
)

// lend puts blocks into memory of a pool and gives them to the download. The caller's hold ends with that.
func (a *asker) lend(pool *lent.Pool, first uint64, blocks ...[]byte) {
	a.t.Helper()
	memory := pool.Take(1)
	defer memory.Release()
	at := memory.Bytes()
	lying, lies := make([][]byte, len(blocks)), make([]*lent.Memory, len(blocks))
	for i, block := range blocks {
		n := copy(at, block)
		lying[i], at, lies[i] = at[:n:n], at[n:], memory
	}
	end := first + uint64(len(blocks))
	needs := a.d.Needs(a.t.Context(), first, end, func(uint64) bool { return false })
	leaves := make([]hash.Digest, len(blocks))
	HashBlocks(leaves, lying)
	if err := a.d.ApplyBlocks(a.t.Context(), 0, first, lying, leaves, a.nodes(needs.Nodes), lies); err != nil {
		a.t.Fatal(err)
	}
	data := memory.Bytes()[:len(bytes.Join(blocks, nil))]
	a.d.KeepFrames(Frame{First: first, Count: len(blocks), Bytes: data, Raw: true, Memory: memory})
}

// A block's memory is used again when it is saved and the reader has given it back, in whatever order, and not before.
func TestLentUntilSavedAndReturned(t *testing.T) {
	for name, saveFirst := range map[string]bool{"saved first": true, "returned first": false} {
		t.Run(name, func(t *testing.T) {
			a, blocks := lending(t, 4)
			pool := lent.NewPool(1) // full while anything is out
			a.lend(pool, 0, blocks[:2]...)
			got, err := a.d.Block(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			save := func() {
				if err := a.d.Save(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if saveFirst {
				save()
			}
			if _, err := a.d.Block(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			a.d.Return(1)
			a.lend(pool, 2, blocks[2:]...)
			if _, err := a.d.Block(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			a.d.Return(2)
			if !bytes.Equal(got, blocks[0]) {
				t.Error("a block changed that was not given back")
			}
			a.d.Return(0)
			if !pool.Full() {
				t.Error("what is not saved, or not read, is not held")
			}
			save()
			if _, err := a.d.Block(t.Context(), 3); err != nil {
				t.Fatal(err)
			}
			a.d.Return(3)
			a.d.Return(3) // nothing is left to give back
			a.d.moveOn(4)
			if pool.Full() {
				t.Error("what is saved and was given back is still held")
			}
			if got := readBlocks(t, a.d.into, a.d.Key()); !sameBlocks(got, blocks) {
				t.Error("other blocks were stored")
			}
		})
	}
}

// moveOn moves the reader to a block as if it had asked for it.
func (d *Download) moveOn(block uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.move(block)
}

// A block may come again before a save, or while the save writes it: the stored block and the reader's bytes stay
// unchanged.
func TestLentTwice(t *testing.T) {
	a, blocks := lending(t, 300)
	pool := lent.NewPool(1 << 20)
	for first := 0; first < len(blocks); first += 3 {
		saved := make(chan error, 1)
		a.lend(pool, uint64(first), blocks[first:first+3]...)
		a.lend(pool, uint64(first), blocks[first:first+3]...)
		go func() { saved <- a.d.Save(context.WithoutCancel(t.Context())) }()
		got, err := a.d.Block(t.Context(), uint64(first))
		if err != nil {
			t.Fatal(err)
		}
		a.lend(pool, uint64(first), blocks[first:first+3]...)
		spoil(pool)
		if !bytes.Equal(got, blocks[first]) {
			t.Fatalf("block %d changed while the reader has it", first)
		}
		a.d.Return(uint64(first))
		for block := first + 1; block < first+3; block++ {
			if got, err := a.d.Block(t.Context(), uint64(block)); err != nil || !bytes.Equal(got, blocks[block]) {
				t.Fatalf("block %d came wrong: %v", block, err)
			}
			a.d.Return(uint64(block))
		}
		if err := <-saved; err != nil {
			t.Fatal(err)
		}
	}
	if err := a.d.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := readBlocks(t, a.d.into, a.d.Key()); !sameBlocks(got, blocks) {
		t.Error("other blocks were stored")
	}
}

// A reader that gives nothing back is lent nothing.
func TestLendsOnlyWhoReturns(t *testing.T) {
	from := newStore(t)
	key, _ := appended(t, from, "log", AppendOptions{}, someBlocks(3)...)
	for _, options := range []DownloadOptions{{}, {Returned: true, Scattered: true}, {Returned: true}} {
		d, err := NewDownload(t.Context(), key, options)
		if err != nil {
			t.Fatal(err)
		}
		if want := options.Returned && !options.Scattered; d.Lends() != want {
			t.Errorf("%+v: lends %v", options, d.Lends())
		}
	}
}

// lending returns a download that lends blocks, with the head of a log of count blocks that are long enough to be
// stored as they come, three at a time.
func lending(t *testing.T, count int) (*asker, [][]byte) {
	t.Helper()
	blocks := make([][]byte, count)
	for i := range blocks {
		blocks[i] = noise(uint64(i), 12<<10)
	}
	from, into := newStore(t), newStore(t)
	key, _ := appended(t, from, "log", AppendOptions{}, blocks...)
	a := newAsker(t, from, into, key)
	d, err := NewDownload(t.Context(), key, DownloadOptions{Store: into, Returned: true})
	if err != nil {
		t.Fatal(err)
	}
	a.d = d
	a.upgrade()
	return a, blocks
}

// spoil writes over all memory that is idle.
func spoil(pool *lent.Pool) {
	var all []*lent.Memory
	for range 8 {
		m := pool.Take(1)
		clear(m.Bytes())
		all = append(all, m)
	}
	for _, m := range all {
		m.Release()
	}
}

// noise returns bytes that cannot be compressed.
func noise(seed uint64, bytes int) []byte {
	data := make([]byte, bytes)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(data)
	return data
}

// A source whose blocks are all given back has none out when the stream is written.
func TestSourceLends(t *testing.T) {
	in := newStore(t)
	random := rand.NewChaCha8([32]byte{7})
	blocks := make([][]byte, 60)
	for i := range blocks {
		blocks[i] = make([]byte, 60_000+i)
		_, _ = random.Read(blocks[i])
	}
	key, _ := appended(t, in, "log", AppendOptions{}, blocks...)
	source, err := OpenSource(t.Context(), in, key, SourceOptions{Returned: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := verified(t, source, proof.Claim{})
		if err != nil || !bytes.Equal(got, bytes.Join(blocks, nil)) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if left := outOf(t, source); left != (lentOut{}) {
			t.Errorf("not given back: %+v", left)
		}
	}
	first, err := source.Block(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	second, err := source.Block(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	source.Return(0)
	for i := 8; i < len(blocks); i++ { // the store no longer holds the first run, and would use its memory again
		if _, err := source.Block(t.Context(), uint64(i)); err != nil {
			t.Fatal(err)
		}
		source.Return(uint64(i))
	}
	if !bytes.Equal(first, blocks[0]) || !bytes.Equal(second, blocks[0]) {
		t.Error("a block that is out once more has changed")
	}
	source.Return(0)
	source.Return(0)
	if left := outOf(t, source); left != (lentOut{}) {
		t.Errorf("not given back: %+v", left)
	}
}

// Place returns where the store has a lent block uncompressed, for a reader that can take it from there. A block that
// is compressed, or not lent, has no place.
func TestSourcePlaces(t *testing.T) {
	in := newStore(t)
	random, _ := appended(t, in, "random", AppendOptions{}, noise(1, 60_000), noise(2, 61_000), noise(3, 62_000))
	text, _ := appended(t, in, "text", AppendOptions{}, bytes.Repeat([]byte("a line of text\n"), 4000))
	for _, c := range []struct {
		key      keys.Key
		blocks   uint64
		returned bool
		placed   bool
	}{{random, 3, true, true}, {random, 3, false, false}, {text, 1, true, false}} {
		source, err := OpenSource(t.Context(), in, c.key, SourceOptions{Returned: c.returned})
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.blocks {
			data, err := source.Block(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			pack, offset := source.Place(i)
			if (pack != nil) != c.placed {
				t.Errorf("%v, block %d: it stands in a pack: %v", c.key, i, pack != nil)
			}
			if pack != nil {
				stands := make([]byte, len(data))
				if _, err := pack.ReadAt(stands, offset); err != nil || !bytes.Equal(stands, data) {
					t.Errorf("%v, block %d: other bytes stand at %d, %v", c.key, i, offset, err)
				}
			}
			source.Return(i)
			if pack, _ := source.Place(i); pack != nil {
				t.Errorf("%v, block %d: it was given back, and is told to stand in a pack", c.key, i)
			}
		}
	}
}

// lentOut is how much of a source is out.
type lentOut struct{ blocks, memories, bytes int }

func outOf(t *testing.T, s *Source) lentOut {
	t.Helper()
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	out := lentOut{blocks: len(s.out.blocks), memories: len(s.out.all)}
	for memory := range s.out.all {
		out.bytes += len(memory.Bytes())
	}
	if out.bytes != s.out.bytes {
		t.Errorf("%d bytes are out, counted were %d", out.bytes, s.out.bytes)
	}
	return out
}

// Small blocks of very many runs, as in a log made up of other logs' blocks, do not keep all of these runs in memory.
func TestSourceLendsFewRuns(t *testing.T) {
	const inRun = 64 // blocks
	in := newStore(t)
	var blocks, scattered [][]byte
	for i := range 100 * inRun {
		blocks = append(blocks, bytes.Repeat(fmt.Appendf(nil, "block %8d of\n", i), 4096/18))
		if i%inRun < 2 {
			scattered = append(scattered, blocks[i])
		}
	}
	appended(t, in, "all", AppendOptions{}, blocks...)
	key, _ := appended(t, in, "scattered", AppendOptions{}, scattered...)
	source, err := OpenSource(t.Context(), in, key, SourceOptions{Returned: true})
	if err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	for i := range scattered {
		block, err := source.Block(t.Context(), uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, block)
	}
	if out := outOf(t, source); out.bytes > mostLent || out.memories < 4 {
		t.Errorf("out are %+v, want no more than %d bytes, and a few of them", out, mostLent)
	}
	for i := range scattered {
		if !bytes.Equal(got[i], scattered[i]) {
			t.Errorf("block %d has changed", i)
		}
		source.Return(uint64(i))
	}
	if out := outOf(t, source); out != (lentOut{}) {
		t.Errorf("not given back: %+v", out)
	}
}
