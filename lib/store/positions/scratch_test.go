package positions

import (
	"path/filepath"
	"testing"

	"hc/lib/store/packlog"
	"hc/lib/store/runs"
	"hc/lib/store/table"
)

// A gc has few files open, and few on disk, however many positions it sorts.
func TestScratchKeepsFewTables(t *testing.T) {
	sc, err := NewScratch(packlog.OS(), filepath.Join(t.TempDir(), "gc"), table.NewCache(1<<20, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := sc.Remove(); err != nil {
			t.Error(err)
		}
	}()
	const rows = (2*fanIn + 3) * rowsInMemory
	set := NewSet(t.Context(), sc)
	for i := range uint64(rows) {
		at := packlog.Position{Pack: 1 + i*7919%rows, Offset: 8}
		if err := set.Add(at, runs.Place{}); err != nil {
			t.Fatal(err)
		}
	}
	few := func(most int) {
		t.Helper()
		names, err := sc.fs.ReadDir(sc.dir)
		if err != nil || len(names) > most || len(sc.open) != len(names) {
			t.Errorf("%d files, %d of them open, at most %d are needed: %v", len(names), len(sc.open), most, err)
		}
	}
	few(2 + 3)
	all, err := set.Finish()
	if err != nil || all.Rows() != rows {
		t.Fatalf("%d rows of %d, %v", all.Rows(), rows, err)
	}
	few(1)
}
