package store

import (
	"testing"

	"hc/lib/store/packlog"
)

// A gc has few files open, and few on the disk, however many positions it sorts.
func TestScratchKeepsFewTables(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	sc, err := s.newScratch()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := sc.remove(); err != nil {
			t.Error(err)
		}
	}()
	const rows = (2*scratchFanIn + 3) * scratchRows
	set := &positionSet{ctx: t.Context(), of: sc, schema: setSchema}
	for i := range uint64(rows) {
		at := packlog.Position{Pack: 1 + i*7919%rows, Offset: 8}
		if err := set.add(at, place{}); err != nil {
			t.Fatal(err)
		}
	}
	few := func(most int) {
		t.Helper()
		names, err := s.fs.ReadDir(sc.dir)
		if err != nil || len(names) > most || len(sc.open) != len(names) {
			t.Errorf("%d files, %d of them open, at most %d are needed: %v", len(names), len(sc.open), most, err)
		}
	}
	few(2 + 3)
	all, err := set.finish()
	if err != nil || all.Rows() != rows {
		t.Fatalf("%d rows of %d, %v", all.Rows(), rows, err)
	}
	few(1)
}
