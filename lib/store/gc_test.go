package store

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"hc/lib/hash"
	"hc/lib/store/packlog"
)

func packBytes(t testing.TB, dir string) int64 {
	t.Helper()
	return size(t, filepath.Join(dir, "packs"))
}

func mustGC(t testing.TB, s *Store, options GCOptions) GCReport {
	t.Helper()
	report, err := s.GC(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// sound compares cores with their models: in the store as it is, in another process, and when all is built anew.
func sound(t testing.TB, s *Store, models ...*modelCore) {
	t.Helper()
	for _, m := range models {
		m.check(t, m.view(t, s))
	}
	again := openTest(t, s.Dir(), Options{ReadOnly: true})
	for _, m := range models {
		m.check(t, m.view(t, again))
	}
	bare := openTest(t, s.Dir(), Options{ReadOnly: true})
	bare.distrust = true
	for _, m := range models {
		m.check(t, m.view(t, bare))
	}
	for _, other := range []*Store{s, again, bare} {
		if damage := other.Damage(); len(damage) > 0 {
			t.Fatal(damage)
		}
	}
}

// TestGC drops one of two cores that share some blocks: what only the dropped one had is given back, and nothing else.
func TestGC(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{tuning: tiny, packSize: 40 << 10})
	r := rand.New(rand.NewPCG(1, 2))
	shared, own := randomBlocks(r, 20, 6000), randomBlocks(r, 30, 6000)
	gone, stays := newModel(1), newModel(2)
	for i := range 10 {
		for _, blocks := range [][][]byte{own[3*i : 3*i+3], shared[2*i : 2*i+2]} {
			if err := gone.append(t.Context(), s, TxOptions{Durable: true}, blocks...); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := stays.append(t.Context(), s, TxOptions{Durable: true}, append(randomBlocks(r, 5, 6000), shared...)...); err != nil {
		t.Fatal(err)
	}
	before := packBytes(t, dir)
	if report := mustGC(t, s, GCOptions{}); report.Rewritten != 0 || report.Freed() != 0 || packBytes(t, dir) != before {
		t.Fatalf("nothing is dead: %+v", report)
	}
	if err := s.Drop(t.Context(), gone.key); err != nil {
		t.Fatal(err)
	}
	dry := mustGC(t, s, GCOptions{DryRun: true})
	report := mustGC(t, s, GCOptions{})
	if report.Freed() == 0 || report.Rewritten == 0 || dry.Rewritten < report.Rewritten || packBytes(t, dir) != int64(report.After) {
		t.Fatalf("dry run: %+v, then: %+v, and %d bytes are left", dry, report, packBytes(t, dir))
	}
	sound(t, s, stays)
	if ok, err := s.Has(t.Context(), hash.Leaf(own[0])); ok || err != nil {
		t.Fatalf("a block that only the dropped core had: %v, %v", ok, err)
	}
	for i := range 3 {
		report = mustGC(t, s, GCOptions{All: true})
		if i > 0 && report.Rewritten != 0 {
			t.Fatalf("a gc behind one: %+v", report)
		}
	}
}

// TestGCForgets sees that a core that was dropped leaves nothing, in the end.
func TestGCForgets(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{packSize: 8 << 10})
	r := rand.New(rand.NewPCG(1, 3))
	empty := packBytes(t, dir)
	for round := range 3 {
		m := newModel(byte(round))
		for range 8 {
			if err := m.append(t.Context(), s, TxOptions{Durable: true}, randomBlocks(r, 4, 2000)...); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Clear(t.Context(), m.key, 2, 9); err != nil {
			t.Fatal(err)
		}
		if err := s.Drop(t.Context(), m.key); err != nil {
			t.Fatal(err)
		}
		mustGC(t, s, GCOptions{All: true})
		mustGC(t, s, GCOptions{All: true}) // a drop whose head went into the next pack goes with the second one
	}
	if left := packBytes(t, dir); left > 4*empty+8*200 {
		t.Fatalf("%d bytes are left, of an empty store's %d", left, empty)
	}
	if err := s.log.Scan(t.Context(), mustView(t, s), packlog.Position{}, false, func(r packlog.Record) error {
		return fmt.Errorf("a record of kind %d at %v is left", r.Kind, r.Position)
	}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "cores"))
	if err != nil || len(entries) > 0 {
		t.Fatalf("derived files of dropped cores are left: %v, %v", entries, err)
	}
	if _, err := os.Stat(filepath.Join(dir, scratchFolder)); err == nil {
		t.Fatal("the scratch folder is left")
	}
}

func mustView(t testing.TB, s *Store) packlog.View {
	t.Helper()
	view, err := s.log.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return view
}
