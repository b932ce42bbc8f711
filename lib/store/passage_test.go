package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"hc/lib/hash"
	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

// eachSpan calls fn for each span in the log.
func eachSpan(t testing.TB, s *Store, fn func(*records.Span)) {
	t.Helper()
	view, err := s.log.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = s.log.Scan(t.Context(), view, packlog.Position{}, false, func(r packlog.Record) error {
		if r.Kind != packlog.KindSpan {
			return nil
		}
		m, err := records.DecodeSpan(r.Meta)
		if err == nil {
			fn(m)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// passagesOf counts the passages in the log, and the blocks in them.
func passagesOf(t testing.TB, s *Store) (passages, blocks int) {
	t.Helper()
	eachSpan(t, s, func(m *records.Span) {
		for _, p := range m.Parts {
			if p.Passage != nil {
				passages, blocks = passages+1, blocks+int(p.Count)
			}
		}
	})
	return passages, blocks
}

// inserted returns the blocks with new ones in some places between them.
func inserted(r *rand.Rand, blocks [][]byte, places int) [][]byte {
	blocks = slices.Clone(blocks)
	for range places {
		blocks = slices.Insert(blocks, r.IntN(len(blocks)+1), randomBytes(r, 40))
	}
	return blocks
}

// distinct returns blocks that are all different.
func distinct(r *rand.Rand, n, size int) [][]byte {
	blocks := make([][]byte, n)
	for i := range blocks {
		blocks[i] = randomBytes(r, 1+r.IntN(size))
		blocks[i] = append(blocks[i], byte(i), byte(i>>8))
	}
	return blocks
}

// TestPassages stores a second version of a log, and then removes the first one in each possible way.
func TestPassages(t *testing.T) {
	ctx := t.Context()
	for name, forget := range map[string]func(*testing.T, *Store, *modelCore){
		"kept": func(*testing.T, *Store, *modelCore) {},
		"dropped": func(t *testing.T, s *Store, m *modelCore) {
			if err := s.Drop(ctx, m.key); err != nil {
				t.Fatal(err)
			}
			*m = *newModel(m.key[0])
		},
		"cleared": func(t *testing.T, s *Store, m *modelCore) {
			m.kept = nil
			clear(m.held)
			if err := s.Clear(ctx, m.key, 0, m.length()); err != nil {
				t.Fatal(err)
			}
		},
		"cut back": func(t *testing.T, s *Store, m *modelCore) {
			tx, err := s.Begin(ctx, m.key, TxOptions{Durable: true})
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Abort()
			if err := tx.Truncate(ctx, 1, 3); err != nil {
				t.Fatal(err)
			}
			m.cut(3)
			if err := tx.Commit(ctx, func() (Head, error) { return m.sign(1), nil }); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint(name, seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 21))
				s := openTest(t, t.TempDir(), Options{packSize: 16 << 10, tuning: tuning{spanBlocks: 7 + 90*seed, bufferRows: 8, fanOut: 2, never: seed%2 == 0}})
				first, second := newModel(1), newModel(2)
				version := distinct(r, 60, 900)
				for part := range slices.Chunk(version, 20) {
					if err := first.append(ctx, s, TxOptions{Durable: true}, part...); err != nil {
						t.Fatal(err)
					}
				}
				if seed%3 == 1 {
					if err := s.Checkpoint(ctx); err != nil {
						t.Fatal(err)
					}
				}
				if err := second.append(ctx, s, TxOptions{Durable: true}, inserted(r, version, 5)...); err != nil {
					t.Fatal(err)
				}
				if n, blocks := passagesOf(t, s); n == 0 || blocks < 40 {
					t.Fatalf("%d passages of %d blocks", n, blocks)
				}
				sound(t, s, first, second)
				forget(t, s, first)
				models := []*modelCore{second}
				if first.head.Signature != nil {
					models = append(models, first)
				}
				for _, step := range []func() error{
					func() error { return nil },
					func() error { _, err := s.GC(ctx, GCOptions{All: true}); return err },
					func() error { _, err := s.Repack(ctx, RepackOptions{}); return err },
					func() error { _, err := s.GC(ctx, GCOptions{All: true}); return err },
				} {
					if err := step(); err != nil {
						t.Fatal(err)
					}
					sound(t, s, models...)
					clean(t, s)
				}
				if err := s.Drop(ctx, second.key); err != nil {
					t.Fatal(err)
				}
				if name == "dropped" {
					mustGC(t, s, GCOptions{All: true})
					if left := logSize(t, s); left > 2<<10 {
						t.Errorf("%d bytes of log are left when all is gone", left)
					}
				}
			})
		}
	}
}

// TestPassageOfMovedRuns has a repack join the runs of a passage with others.
func TestPassageOfMovedRuns(t *testing.T) {
	ctx := t.Context()
	r := rand.New(rand.NewPCG(3, 22))
	s := openTest(t, t.TempDir(), Options{packSize: 4 << 10})
	first, second := newModel(1), newModel(2)
	blocks := distinct(r, 40, 200)
	for part := range slices.Chunk(blocks, 4) {
		if err := first.append(ctx, s, TxOptions{Durable: true}, part...); err != nil {
			t.Fatal(err)
		}
	}
	if err := second.append(ctx, s, TxOptions{Durable: true}, blocks...); err != nil {
		t.Fatal(err)
	}
	if n, _ := passagesOf(t, s); n != 10 {
		t.Fatalf("%d passages, want one of each run", n)
	}
	if _, err := s.Repack(ctx, RepackOptions{}); err != nil {
		t.Fatal(err)
	}
	codecs, _ := codecsOf(t, s)
	if n := codecs[records.CodecRaw] + codecs[records.CodecZstd]; n == 10 {
		t.Fatalf("%d runs: none was joined", n)
	}
	sound(t, s, first, second)
	clean(t, s)
}

// TestPassageShadowed stores the first block of a passage again, in a run with other neighbours, by a writer that had
// looked for it before it was there: the index then has that run. A run that nobody has committed does not count.
func TestPassageShadowed(t *testing.T) {
	ctx := t.Context()
	for _, checkpoints := range []bool{false, true} {
		r := rand.New(rand.NewPCG(4, 23))
		s := openTest(t, t.TempDir(), Options{packSize: 4 << 10, tuning: tuning{bufferRows: 4, fanOut: 2, never: true}})
		first, other, third := newModel(1), newModel(2), newModel(3)
		blocks := distinct(r, 12, 300)
		w, beside := writing{t, s}, writing{t, openTest(t, s.Dir(), s.options)} // which has not looked since
		early, never := beside.begin(other), beside.begin(newModel(9))
		if err := first.append(ctx, s, TxOptions{Durable: true}, blocks...); err != nil {
			t.Fatal(err)
		}
		if checkpoints {
			if err := s.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
		}
		// Two writers do not know about it: one of them never commits.
		w.add(never, blocks)
		never.Abort()
		shadow := [][]byte{[]byte("before"), blocks[0], []byte("behind"), blocks[5]}
		w.add(early, shadow)
		late := w.begin(third)
		w.add(late, blocks)
		w.commit(early, other, shadow)
		w.commit(late, third, blocks)
		if n, _ := passagesOf(t, s); n == 0 {
			t.Fatal("no passage")
		}
		if codecs, _ := codecsOf(t, s); codecs[records.CodecRaw]+codecs[records.CodecZstd] != 3 {
			t.Fatalf("the block is not stored again: %v", codecs)
		}
		sound(t, s, first, other, third)
		clean(t, s)
		for range 2 {
			if err := s.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
			sound(t, s, first, other, third)
			clean(t, s)
		}
		if err := s.Drop(ctx, first.key); err != nil {
			t.Fatal(err)
		}
		mustGC(t, s, GCOptions{All: true})
		sound(t, s, other, third)
		clean(t, s)
		if err := s.Drop(ctx, other.key); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Repack(ctx, RepackOptions{}); err != nil {
			t.Fatal(err)
		}
		sound(t, s, third)
		clean(t, s)
	}
}

// writing makes several transactions, whose blocks are written when they come.
type writing struct {
	t *testing.T
	s *Store
}

func (w writing) begin(m *modelCore) *Tx {
	w.t.Helper()
	tx, err := w.s.Begin(w.t.Context(), m.key, TxOptions{Durable: true})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(tx.Abort)
	return tx
}

func (w writing) add(tx *Tx, blocks [][]byte) {
	w.t.Helper()
	for _, b := range blocks {
		if err := tx.Append(w.t.Context(), hash.Leaf(b), b); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := tx.runs.Finish(w.t.Context(), tx.write); err != nil {
		w.t.Fatal(err)
	}
}

func (w writing) commit(tx *Tx, m *modelCore, blocks [][]byte) {
	w.t.Helper()
	err := tx.Commit(w.t.Context(), func() (Head, error) {
		m.grow(true, blocks...)
		return m.sign(0), nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestPassageInEitherRun has two runs of the same blocks. In which of them a passage is found depends on the order in
// which the index was written, and a check that writes it in another order accepts that.
func TestPassageInEitherRun(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, t.TempDir(), Options{tuning: tuning{never: true}})
	w := writing{t, s}
	first, second, third := newModel(1), newModel(2), newModel(3)
	blocks := distinct(rand.New(rand.NewPCG(6, 25)), 12, 300)
	a, b := w.begin(first), writing{t, openTest(t, s.Dir(), s.options)}.begin(second)
	w.add(a, blocks)
	w.add(b, blocks)
	w.commit(b, second, blocks)
	if err := s.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	w.commit(a, first, blocks)
	if err := s.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	if err := third.append(ctx, s, TxOptions{Durable: true}, blocks...); err != nil {
		t.Fatal(err)
	}
	if err := s.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	sound(t, s, first, second, third)
	for _, rows := range []int{4, 20, 1000} {
		c, err := NewChecker(ctx, s.Dir(), CheckOptions{Scratch: t.TempDir(), tuning: tuning{bufferRows: rows}, Found: func(f Finding) {
			if !f.HasKey || f.End > f.First || f.Harm == HarmDerived {
				t.Errorf("with %d rows: found %+v", rows, f)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPassageDamaged damages the run of a passage: a block that is also elsewhere is read from there, all others are
// reported as damaged, and a check names them as blocks of the core that has the passage.
func TestPassageDamaged(t *testing.T) {
	ctx := t.Context()
	for name, part := range map[string]uint64{"payload": 2, "meta": 16} { // of its bytes, where the damage is
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprint(name, applied), func(t *testing.T) {
				dir := t.TempDir()
				s := openTest(t, dir, Options{tuning: tuning{never: true}})
				w := writing{t, s}
				first, other, third := newModel(1), newModel(2), newModel(3)
				blocks := distinct(rand.New(rand.NewPCG(7, 26)), 12, 300)
				beside := writing{t, openTest(t, dir, s.options)}
				early := beside.begin(other) // it does not know that the store will have the block
				if err := first.append(ctx, s, TxOptions{Durable: true}, blocks...); err != nil {
					t.Fatal(err)
				}
				run := firstRun(t, s)
				if err := third.append(ctx, s, TxOptions{Durable: true}, blocks...); err != nil {
					t.Fatal(err)
				}
				w.add(early, blocks[3:4])
				w.commit(early, other, blocks[3:4])
				if n, _ := passagesOf(t, s); n != 1 {
					t.Fatalf("%d passages", n)
				}
				if applied {
					if err := s.Checkpoint(ctx); err != nil {
						t.Fatal(err)
					}
				}
				flipByte(t, filepath.Join(dir, s.log.FileOf(run.Position)), int64(run.Position.Offset+packlog.RecordSize(&run)/part))
				again := openTest(t, dir, Options{ReadOnly: true, tuning: tuning{never: true}})
				readWhatIsLeft(t, third.view(t, again), blocks, name == "payload")
				found := blockmap.Range{}
				c, err := NewChecker(ctx, dir, CheckOptions{Scratch: t.TempDir(), Found: func(f Finding) {
					if f.Core == third.key && f.End > f.First {
						found = blockmap.Range{First: min(found.First, f.First), End: max(found.End, f.End)}
					}
				}})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := c.Run(ctx); err != nil {
					t.Fatal(err)
				}
				if found != (blockmap.Range{First: 0, End: 12}) {
					t.Errorf("the check names the blocks %v", found)
				}
				repairPassage(t, dir, third, blocks, name == "payload")
			})
		}
	}
}

// repairPassage repairs the store: blocks that are elsewhere, and known, are held again, and all others are to be
// fetched.
func repairPassage(t *testing.T, dir string, m *modelCore, blocks [][]byte, known bool) {
	t.Helper()
	c, err := NewChecker(t.Context(), dir, CheckOptions{Repair: true, Scratch: t.TempDir(), Found: func(Finding) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := errors.Join(c.Run(t.Context()), c.Repair(t.Context()), c.ClearLost(t.Context())); err != nil {
		t.Fatal(err)
	}
	v := m.view(t, c.Store())
	for i, want := range blocks {
		got, err := v.Block(t.Context(), uint64(i))
		if held := i == 3 && known; held != (err == nil) || held && !bytes.Equal(got, want) || !held && !errors.Is(err, ErrBlockMissing) {
			t.Errorf("repaired, block %d: %v", i, err)
		}
	}
	hurt := c.CoresHurt()
	if !slices.ContainsFunc(hurt, func(h CoreHurt) bool { return h.Key == m.key && len(h.Parts) > 0 }) {
		t.Errorf("to be fetched again: %v", hurt)
	}
}

// firstRun returns the first run of the log, without its payload.
func firstRun(t *testing.T, s *Store) (run packlog.Record) {
	t.Helper()
	view, err := s.log.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = s.log.Scan(t.Context(), view, packlog.Position{}, false, func(r packlog.Record) error {
		if r.Kind == packlog.KindRun && run.Kind == 0 {
			run = r
		}
		return nil
	})
	if err != nil || run.Kind == 0 {
		t.Fatalf("there is no run: %v", err)
	}
	run.Meta = slices.Clone(run.Meta)
	return run
}

func flipByte(t *testing.T, path string, at int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var b [1]byte
	if _, err := file.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 4
	if _, err := file.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

// readWhatIsLeft reads blocks; number 3 is elsewhere, too.
func readWhatIsLeft(t *testing.T, v *View, blocks [][]byte, known bool) {
	t.Helper()
	for i, want := range blocks {
		got, err := v.Block(t.Context(), uint64(i))
		switch {
		case err == nil && !bytes.Equal(got, want):
			t.Errorf("block %d is another one", i)
		case err == nil && i != 3:
			t.Errorf("block %d is read from nowhere", i)
		case err != nil && !isGone(err):
			t.Errorf("block %d: %v", i, err)
		case err != nil && i == 3 && known:
			t.Errorf("block 3 is not read from elsewhere: %v", err)
		}
	}
}

// TestCheckFindsEveryBitOfPassage flips bits of a span that has a passage, one at a time: all of them with
// HC_EVERY_BIT.
func TestCheckFindsEveryBitOfPassage(t *testing.T) {
	w := newCheckWorld(t)
	s := w.open(t, Options{ReadOnly: true})
	view, err := s.log.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var file string
	first, end := 0, 0
	err = s.log.Scan(t.Context(), view, packlog.Position{}, false, func(r packlog.Record) error {
		if r.Kind != packlog.KindSpan {
			return nil
		}
		if m, err := records.DecodeSpan(r.Meta); err != nil || !m.HasPassages() {
			return err
		}
		file, first = s.log.FileOf(r.Position), int(r.Position.Offset)
		end = first + int(packlog.RecordSize(&r))
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil || file == "" {
		t.Fatalf("no passage: %v", err)
	}
	step := 61
	if os.Getenv("HC_EVERY_BIT") != "" {
		step = 1
	}
	for bit := 8 * first; bit < 8*end; bit += step {
		at := bit / 8
		w.flip(t, "/store/"+file, at, bit%8)
		found, _ := w.check(t)
		if !slices.ContainsFunc(found, func(f Finding) bool { return f.File == file && f.Offset <= uint64(at) && f.What != "" }) {
			t.Errorf("byte %d bit %d: %+v", at, bit%8, found)
		}
		if err := w.readable(t); err != nil {
			t.Errorf("byte %d bit %d: %v", at, bit%8, err)
		}
		w.flip(t, "/store/"+file, at, bit%8)
	}
}
