package table

import (
	"errors"
	"fmt"
	"testing"

	"hc/lib/store/packlog"
)

// Whichever call fails, the writer returns an error, and what it leaves does not open.
func TestWriterFails(t *testing.T) {
	r := newRand(1)
	rows := makeRows(r, indexSchema, hashKeys(r, 2*64*78+5)) // several writes
	for failAt := 1; ; failAt++ {
		fsys := newMemFS()
		fsys.failAt = failAt
		err := write(fsys, rows)
		if fsys.calls < failAt {
			if err != nil || failAt < 6 {
				t.Fatalf("%d calls, then %v", failAt-1, err)
			}
			return
		}
		if !errors.Is(err, errInjected) {
			t.Fatalf("call %d failed: %v", failAt, err)
		}
		if fsys.has("t") {
			t.Fatalf("call %d failed: the file is still there", failAt)
		}
	}
}

func write(fsys packlog.FS, rows []Row) error {
	w, err := Create(fsys, "t", indexSchema)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := w.Add(row.Key, row.Value); err != nil {
			if _, again := w.Finish(); again != err {
				return fmt.Errorf("Finish after %v: %v", err, again)
			}
			return err
		}
	}
	_, err = w.Finish()
	return err
}

// Whichever read fails, its error is returned, and not called damage.
func TestReadFails(t *testing.T) {
	s := small(t)[0]
	for failAt := 1; ; failAt++ {
		fsys := newMemFS()
		fsys.put("t", s.file)
		fsys.failAt = failAt
		err := readAll(fsys, s)
		if fsys.calls < failAt {
			if err != nil || failAt < 8 {
				t.Fatalf("%d calls, then %v", failAt-1, err)
			}
			return
		}
		if !errors.Is(err, errInjected) || errors.Is(err, ErrDamaged) {
			t.Fatalf("call %d failed: %v", failAt, err)
		}
	}
}

func readAll(fsys packlog.FS, s sample) error {
	table, err := Open(fsys, "t", s.schema, NewCache(0, 0))
	if err != nil {
		return err
	}
	for _, row := range s.rows {
		if _, _, err := table.Get(ctx, row.Key); err != nil {
			return err
		}
	}
	if err := table.Verify(ctx); err != nil {
		return err
	}
	return table.Close()
}

// Rows that cannot be added stop the table, and leave no file.
func TestAddRefuses(t *testing.T) {
	good := Row{integer(5), make([]byte, 40)}
	for _, test := range []struct {
		name       string
		key, value []byte
		want       error
	}{
		{"equal key", integer(5), good.Value, ErrOrder},
		{"lower key", integer(4), good.Value, ErrOrder},
		{"short key", make([]byte, 7), good.Value, ErrSize},
		{"long key", make([]byte, 9), good.Value, ErrSize},
		{"no value", integer(6), nil, ErrSize},
		{"long value", integer(6), make([]byte, 41), ErrSize},
	} {
		t.Run(test.name, func(t *testing.T) {
			fsys := newMemFS()
			w, err := Create(fsys, "t", treeSchema)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Add(good.Key, good.Value); err != nil {
				t.Fatal(err)
			}
			if err := w.Add(test.key, test.value); !errors.Is(err, test.want) {
				t.Errorf("Add: %v, want %v", err, test.want)
			}
			if err := w.Add(integer(9), good.Value); !errors.Is(err, test.want) {
				t.Errorf("Add after it: %v, want %v", err, test.want)
			}
			if _, err := w.Finish(); !errors.Is(err, test.want) {
				t.Errorf("Finish: %v, want %v", err, test.want)
			}
			w.Abort()
			if fsys.has("t") {
				t.Error("the file is still there")
			}
		})
	}
}

func TestAbort(t *testing.T) {
	fsys := newMemFS()
	w, err := Create(fsys, "t", treeSchema)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(fsys, "t", treeSchema); err == nil {
		t.Error("a second table was begun in the same file")
	}
	w.Abort()
	if fsys.has("t") {
		t.Error("Abort left the file")
	}
	writeTable(t, fsys, "t", treeSchema, nil)

	w, err = Create(fsys, "u", treeSchema)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if !fsys.has("u") {
		t.Error("Abort after Finish removed the table")
	}
	if _, err := w.Finish(); err == nil {
		t.Error("finished twice")
	}
}

// A table whose header was not written yet, as after a kill, does not open.
func TestUnfinished(t *testing.T) {
	r := newRand(1)
	fsys := newMemFS()
	w, err := Create(fsys, "t", indexSchema)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range makeRows(r, indexSchema, hashKeys(r, 10000)) {
		if err := w.Add(row.Key, row.Value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.endWrite(); err != nil {
		t.Fatal(err)
	}
	if len(fsys.bytes(t, "t")) == 0 {
		t.Fatal("nothing was written")
	}
	if _, err := Open(fsys, "t", indexSchema, NewCache(0, 0)); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open: %v", err)
	}
	w.Abort()
}
