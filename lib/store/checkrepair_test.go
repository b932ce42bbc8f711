package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"hc/lib/keys"
	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
	"hc/lib/store/records"
)

// repair checks the world and repairs it.
func (w *checkWorld) repair(t testing.TB) []Finding {
	t.Helper()
	var found []Finding
	c, err := NewChecker(t.Context(), "/store", CheckOptions{
		Found: func(f Finding) { found = append(found, f) }, Repair: true,
		fs: w.machine.Process(), scratchFS: memfs.New(1).Process(), tuning: checkTuning,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.ClearLost(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Discard(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	return found
}

// lacks returns how many blocks that were stored cannot be read, and whether any head is not the newest.
func (w *checkWorld) lacks(t testing.TB) (blocks int, heads int) {
	t.Helper()
	ctx := t.Context()
	s := w.open(t, Options{ReadOnly: true})
	defer s.Close()
	for i, l := range w.logs {
		v, err := s.View(ctx, l.key(), false)
		if err != nil && !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		if err != nil || v.Head().Length < uint64(len(l.blocks)) {
			heads++
		}
		for b := range l.blocks {
			if w.held[i] != nil && !w.held[i][uint64(b)] {
				continue
			}
			var data []byte
			if err == nil {
				data, _ = v.Block(ctx, uint64(b))
			}
			if data == nil || !bytes.Equal(data, l.blocks[b]) {
				blocks++
			}
		}
	}
	return blocks, heads
}

func worst(found []Finding) Harm {
	harm := HarmNone
	for _, f := range found {
		harm = max(harm, f.Harm)
	}
	return harm
}

// TestRepairEveryBit flips bits as TestCheckFindsEveryBit does, and repairs. Derived files, and everything that is
// there twice, must be whole again, and nothing may be lost that was not reported.
func TestRepairEveryBit(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine, and the run that is not short does it")
	}
	clean := newCheckWorld(t)
	mended, lost := 0, 0
	for _, path := range clean.files(t) {
		name := strings.TrimPrefix(path, "/store/")
		if strings.HasPrefix(name, "locks/") {
			continue
		}
		isPack := strings.HasPrefix(name, "packs/")
		step := 1201
		if !isPack {
			step = 4801
		}
		for bit := 5; bit < 8*len(clean.machine.Read(path)); bit += step {
			w := newCheckWorld(t) // the same again, except for random ids
			target := sameFile(t, w, clean, path)
			if bit/8 >= len(w.machine.Read(target)) {
				continue
			}
			w.flip(t, target, bit/8, bit%8)
			found := w.repair(t)
			left, c := w.check(t)
			if len(c.CoresHurt()) == 0 && len(left) > 0 {
				t.Errorf("%s bit %d: nothing is hurt, but left: %+v", name, bit, left)
			}
			blocks, heads := w.lacks(t)
			for _, f := range left {
				if f.Harm == HarmDerived {
					t.Errorf("%s bit %d: not mended: %+v", name, bit, f)
				}
			}
			if worst(found) != HarmData || !isPack {
				mended++
				if blocks+heads > 0 || worst(left) == HarmData {
					t.Errorf("%s bit %d: %d blocks and %d heads are lost, left %+v, found %+v", name, bit, blocks, heads, left, found)
				}
			} else if blocks > 0 {
				lost++
			}
			if err := w.readable(t); err != nil {
				t.Errorf("%s bit %d: %v", name, bit, err)
			}
		}
	}
	if mended < 30 || lost < 2 {
		t.Fatalf("only %d flips were mended, %d lost blocks", mended, lost)
	}
}

// sameFile returns the file of another world made in the same way: names have random numbers in them.
func sameFile(t testing.TB, w, other *checkWorld, path string) string {
	t.Helper()
	ours, theirs := w.files(t), other.files(t)
	if len(ours) != len(theirs) {
		t.Fatalf("%d files, and %d", len(ours), len(theirs))
	}
	for i := range theirs {
		if theirs[i] == path {
			return ours[i]
		}
	}
	t.Fatalf("no file %s", path)
	return ""
}

func TestRepairDeleted(t *testing.T) {
	for _, gone := range [][]string{{"applied"}, {"index/"}, {"cores/"}, {"applied", "index/", "cores/"}, {"mark"}} {
		t.Run(strings.Join(gone, " "), func(t *testing.T) {
			w := newCheckWorld(t)
			process := w.machine.Process()
			for _, path := range w.files(t) {
				for _, prefix := range gone {
					if strings.HasPrefix(strings.TrimPrefix(path, "/store/"), prefix) {
						if err := process.Remove(path); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			w.repair(t)
			if left, _ := w.check(t); len(left) > 0 {
				t.Errorf("left: %+v", left)
			}
			if blocks, heads := w.lacks(t); blocks+heads > 0 {
				t.Errorf("%d blocks and %d heads are lost", blocks, heads)
			}
			if w.machine.Read("/store/applied") == nil {
				t.Error("nothing is derived")
			}
		})
	}
}

func TestRepairLongMark(t *testing.T) {
	w := newCheckWorld(t)
	mark, err := w.machine.Process().OpenFile("/store/mark", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mark.WriteAt([]byte("behind its end"), 128); err != nil {
		t.Fatal(err)
	}
	if found := w.repair(t); len(found) != 1 || found[0].File != "mark" || found[0].Offset != 128 || found[0].Length != 14 {
		t.Errorf("found: %+v", found)
	}
	if left, _ := w.check(t); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
	if size := len(w.machine.Read("/store/mark")); size != 128 {
		t.Errorf("the mark has %d bytes", size)
	}
}

// damageRecord flips a bit in the header, or in the payload, of the last record of the chosen kind.
func (w *checkWorld) damageRecord(t testing.TB, payload bool, choose func(*records.Entry) bool) packlog.Position {
	t.Helper()
	s := w.open(t, Options{ReadOnly: true})
	defer s.Close()
	view, err := s.log.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var at packlog.Position
	var meta int
	err = s.log.Scan(t.Context(), view, packlog.Position{}, false, func(r packlog.Record) error {
		if e, err := records.Decode(r); err == nil && choose(e) {
			at, meta = r.Position, len(r.Meta)
		}
		return nil
	})
	if err != nil || at.IsZero() {
		t.Fatalf("no such record: %v", err)
	}
	offset := int(at.Offset) + 20
	if payload {
		offset = int(at.Offset) + 64 + meta
	}
	w.flip(t, filepath.Join("/store", s.log.FileOf(at)), offset, 3)
	return at
}

// TestRepairWitness damages records that derived files still know: heads, spans and runs.
func TestRepairWitness(t *testing.T) {
	for name, kind := range map[string]packlog.Kind{"head": packlog.KindHead, "span": packlog.KindSpan, "core": packlog.KindCore} {
		for i := range 2 {
			t.Run(name, func(t *testing.T) {
				w := newCheckWorld(t)
				s := w.open(t, Options{})
				if err := s.Checkpoint(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				key := w.logs[i].key()
				w.damageRecord(t, false, func(e *records.Entry) bool { return e.Kind == kind && e.Key == key })
				if found, _ := w.check(t); worst(found) != HarmData {
					t.Errorf("found %+v", found)
				}
				w.repair(t)
				if blocks, heads := w.lacks(t); blocks+heads > 0 {
					t.Errorf("%d blocks and %d heads are lost", blocks, heads)
				}
				for _, f := range must(w.check(t)) {
					if f.HasKey {
						t.Errorf("left: %+v", f)
					}
				}
			})
		}
	}
}

func must(found []Finding, _ *Checker) []Finding { return found }

// TestRepairElsewhere damages a run whose blocks are stored twice.
func TestRepairElsewhere(t *testing.T) {
	w := newCheckWorld(t)
	key := w.logs[0].key()
	s := w.open(t, Options{})
	v, err := s.View(t.Context(), key, false)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := v.Node(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	s.files.Bad = map[packlog.Position]bool{} // so that the block is stored once more
	at, err := v.state.locate(t.Context(), s, leaf.Hash)
	if err != nil {
		t.Fatal(err)
	}
	s.files.Bad[at.Run] = true
	other := newSigned(t, 9)
	other.append(t, s, false, w.logs[0].blocks[:5]...)
	w.logs = append(w.logs, other)
	w.held = append(w.held, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w.damageRecord(t, true, func(e *records.Entry) bool { return e.At == at.Run })
	found := w.repair(t)
	if worst(found) != HarmNone {
		t.Errorf("found %+v, want a run that nothing needs", found)
	}
	if blocks, heads := w.lacks(t); blocks+heads > 0 {
		t.Errorf("%d blocks and %d heads are lost", blocks, heads)
	}
}

// TestRepairClears takes lost blocks for not held, keeps the proofs of all others, and signs nothing.
func TestRepairClears(t *testing.T) {
	w := newCheckWorld(t)
	key := w.logs[0].key()
	w.damageRecord(t, true, func(e *records.Entry) bool { return e.Kind == packlog.KindRun && !e.Run.Short && e.Run.Count == 5 })
	w.repair(t)
	left, c := w.check(t)
	if worst(left) != HarmNone || len(c.CoresHurt()) > 0 {
		t.Errorf("left %+v", left)
	}
	s := w.open(t, Options{ReadOnly: true})
	defer s.Close()
	v, err := s.View(t.Context(), key, false)
	if err != nil {
		t.Fatal(err)
	}
	start, _, ok, err := v.Have(t.Context(), 0)
	if err != nil || !ok || start != 5 {
		t.Errorf("blocks are held from %d on, %v, want 5", start, err)
	}
	if _, err := v.Roots(t.Context()); err != nil {
		t.Error(err)
	}
	for b := uint64(5); b < 8; b++ {
		for index := 2 * b; index < v.Head().Length; index = 2*index + 1 {
			if _, err := v.Node(t.Context(), index); err != nil {
				t.Errorf("node %d: %v", index, err)
			}
		}
	}
}

func TestScratchIsRemoved(t *testing.T) {
	dir, scratch := t.TempDir(), t.TempDir()
	s := openTest(t, dir, Options{})
	newSigned(t, 1).append(t, s, false, []byte("x"))
	c, err := NewChecker(t.Context(), dir, CheckOptions{Scratch: scratch, Found: func(f Finding) { t.Errorf("%+v", f) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Run(t.Context()), c.Close()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A block that is to be fetched for two reasons is named once.
func TestCoresHurtNamesBlocksOnce(t *testing.T) {
	broken, tree, blocks := keys.Key{1}, keys.Key{2}, keys.Key{3}
	hurt := []blockmap.Range{{First: 2, End: 5}, {First: 7, End: 9}}
	c := &Checker{
		broken: map[keys.Key]BlockRange{broken: {First: 4, End: 8}, tree: {}},
		hurt:   map[keys.Key][]blockmap.Range{broken: hurt, tree: hurt, blocks: hurt},
	}
	want := []CoreHurt{
		{broken, []BlockRange{{First: 4, End: 8}, {First: 2, End: 4}, {First: 8, End: 9}}},
		{tree, []BlockRange{{}, {First: 2, End: 5}, {First: 7, End: 9}}},
		{blocks, []BlockRange{{First: 2, End: 5}, {First: 7, End: 9}}},
	}
	if got := c.CoresHurt(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
