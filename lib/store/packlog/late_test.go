package packlog_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"hc/lib/store/packlog"
)

var late = packlog.Options{Create: true, Late: true}

// TestLate opens a store that does not exist: nothing is created before somebody writes.
func TestLate(t *testing.T) {
	above := t.TempDir()
	dir := filepath.Join(above, "folder", "store")
	first, second := open(t, dir, late), open(t, dir, late)
	defer first.Close()
	view, err := second.View(t.Context())
	if err != nil || !view.Readable.IsZero() {
		t.Fatalf("View of nothing: %v, %v", view.Readable, err)
	}
	if err := first.Scan(t.Context(), view, packlog.Position{}, true, func(packlog.Record) error { return errors.New("a record") }); err != nil {
		t.Fatal(err)
	}
	if names, err := os.ReadDir(above); err != nil || len(names) > 0 {
		t.Fatalf("opening left %v, %v", names, err)
	}
	mustAppend(t, first, "a", "of the first", true)
	seen, err := second.View(t.Context())
	if err != nil || seen.Readable.IsZero() || !seen.SamePacks(view) {
		t.Fatalf("View of what another made: %v, %v", seen.Readable, err)
	}
	mustAppend(t, second, "b", "of the second", true)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLateLock has a lock make the store, and checks that Open refuses a folder that cannot be one or in which none can
// be made.
func TestLateLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	l := open(t, dir, late)
	defer l.Close()
	lock, err := l.Lock(t.Context(), packlog.LockUse, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, packlog.Options{}).Close()

	if _, err := packlog.Open(t.Context(), filepath.Dir(dir), late); !errors.Is(err, packlog.ErrNotStore) {
		t.Errorf("a folder with other things: %v", err)
	}
	if _, err := packlog.Open(t.Context(), filepath.Join(dir, "a", "b"), packlog.Options{FS: closedTo{packlog.OS(), dir}, Create: true, Late: true}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a folder in one that is closed: %v", err)
	}
	if _, err := packlog.Open(t.Context(), filepath.Join(dir, "a"), packlog.Options{Late: true}); !errors.Is(err, packlog.ErrNoStore) {
		t.Errorf("a store that is not to be made: %v", err)
	}
}

// closedTo is a file system in which nothing can be created in one folder.
type closedTo struct {
	packlog.FS
	dir string
}

func (c closedTo) Writable(dir string) error {
	if dir == c.dir {
		return fs.ErrPermission
	}
	return c.FS.Writable(dir)
}
