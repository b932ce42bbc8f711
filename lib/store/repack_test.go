package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"testing"

	"hc/lib/store/codec"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

// kinds counts the records of a store.
func kinds(t testing.TB, s *Store) map[packlog.Kind]int {
	t.Helper()
	count := make(map[packlog.Kind]int)
	err := s.log.Scan(t.Context(), mustView(t, s), packlog.Position{}, false, func(r packlog.Record) error {
		count[r.Kind]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// TestRepackJoins makes many short appends to two logs of lines, and to one of larger blocks, in turn: they become a
// few.
func TestRepackJoins(t *testing.T) {
	for _, cold := range []bool{false, true} {
		dir := t.TempDir()
		s := openTest(t, dir, Options{})
		r := rand.New(rand.NewPCG(1, 9))
		lines, other, large := newModel(1), newModel(2), newModel(3)
		for i := range 150 {
			blocks := [][]byte{fmt.Appendf(nil, "line %d of a log that grows by one line each time\n", i)}
			if i%50 == 49 {
				blocks = append(blocks, []byte("no LF"))
			}
			for _, m := range []*modelCore{lines, other} {
				if err := m.append(t.Context(), s, TxOptions{Durable: true, Short: true}, blocks...); err != nil {
					t.Fatal(err)
				}
			}
			more := randomBlocks(r, 2, 900)
			if i%3 == 0 && i > 0 {
				more = append(more, large.blocks[i], bytes.Repeat([]byte{byte(i)}, 300))
			}
			if err := large.append(t.Context(), s, TxOptions{Durable: true}, more...); err != nil {
				t.Fatal(err)
			}
		}
		before, bytesBefore := kinds(t, s), packBytes(t, dir)
		view := lines.view(t, s)
		report, err := s.Repack(t.Context(), RepackOptions{Cold: cold})
		if err != nil {
			t.Fatal(err)
		}
		after := kinds(t, s)
		for _, kind := range []packlog.Kind{packlog.KindHead, packlog.KindSpan, packlog.KindRun} {
			if after[kind]*10 > before[kind] {
				t.Errorf("cold=%v: of %d records of kind %d %d are left", cold, before[kind], kind, after[kind])
			}
		}
		if now := packBytes(t, dir); now*2 > bytesBefore || now != int64(report.After) {
			t.Errorf("cold=%v: %d bytes became %d, by %+v", cold, bytesBefore, now, report)
		}
		sound(t, s, lines, other, large)
		lines.check(t, view)
		if err := lines.append(t.Context(), s, TxOptions{Durable: true, Short: true}, []byte("one more\n")); err != nil {
			t.Fatal(err)
		}
		sound(t, s, lines, other, large)
	}
}

// TestRepackAgain compresses what can be compressed better, and leaves the rest.
func TestRepackAgain(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	m := newModel(1)
	r := rand.New(rand.NewPCG(1, 9))
	var text bytes.Buffer
	for text.Len() < 1<<20 {
		fmt.Fprintf(&text, "%d,%x,%s\n", r.IntN(1000), r.IntN(1<<20), []string{"alpha", "beta", "gamma"}[r.IntN(3)])
	}
	var blocks [][]byte
	for part := range bytes.SplitSeq(text.Bytes(), []byte("9,")) {
		blocks = append(blocks, part)
	}
	if err := m.append(t.Context(), s, TxOptions{Durable: true}, append(blocks, randomBlocks(r, 3, 300<<10)...)...); err != nil {
		t.Fatal(err)
	}
	sizes := []int64{packBytes(t, dir)}
	for _, cold := range []bool{false, true} {
		if _, err := s.Repack(t.Context(), RepackOptions{Cold: cold}); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, packBytes(t, dir))
		sound(t, s, m)
	}
	if sizes[1] > sizes[0]+2048 || sizes[2] >= sizes[1]-10000 {
		t.Fatalf("sizes are %d as appended, repacked, repacked cold", sizes)
	}
}

// TestRepackOrder appends between the census of a repack and its new pack: records that are held back for joining stay
// before the append.
func TestRepackOrder(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	m := newModel(1)
	more := func() {
		t.Helper()
		if err := m.append(t.Context(), s, TxOptions{Durable: true, Short: true}, fmt.Appendf(nil, "line %d\n", m.length())); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		more()
	}
	lock, err := s.lockCheckpoint(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	g := &collector{ctx: t.Context(), store: s, repack: &RepackOptions{}, lock: lock}
	if err := g.begin(); err != nil {
		t.Fatal(err)
	}
	defer g.scratch.Remove()
	for range 3 {
		more()
	}
	if err := g.look(); err != nil {
		t.Fatal(err)
	}
	chosen, err := g.choose()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.rewriteAll(group(chosen, s.packSize())); err != nil {
		t.Fatal(err)
	}
	if n := kinds(t, s)[packlog.KindHead]; n >= 8 {
		t.Fatalf("%d heads are left of 8", n)
	}
	sound(t, s, m)
}

// TestRepackGarbage compresses runs again, one after another: the memory for that is not allocated for each, since such
// garbage was half of a repack's memory.
func TestRepackGarbage(t *testing.T) {
	if racing {
		t.Skip("a sync.Pool forgets at random under the race detector")
	}
	// A pool forgets when the garbage collector runs, and has a part for each processor.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const many = 64
	for _, cold := range []bool{false, true} {
		r := runs.NewRecoder(cold)
		var held []packlog.Record
		for i := range many {
			raw := bytes.Repeat(fmt.Appendf(nil, "run %d has many lines like this\n", i), 7000)
			m := &records.Run{Short: true, Count: 1, Codec: records.CodecZstd, Raw: len(raw), Lengths: []uint32{uint32(len(raw))}}
			held = append(held, packlog.Record{Kind: packlog.KindRun, Payload: codec.Compress(nil, raw, Thorough), Meta: m.Encode()})
		}
		again := func() (was uint64) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for i := range held {
				if _, err := r.Again(&held[i]); err != nil {
					t.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		again() // allocates what is reused
		if was := again(); was > many*64<<10 {
			t.Errorf("cold=%v: %d bytes were allocated for each run of 256 KiB", cold, was/many)
		}
	}
}
