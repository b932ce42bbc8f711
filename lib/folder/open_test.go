package folder

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A file whose size 31 bits cannot hold is opened as any other, also where words have 32.
func TestOpenLargeFile(t *testing.T) {
	dir := t.TempDir()
	const size int64 = 1<<31 + 5
	if err := os.WriteFile(filepath.Join(dir, "large"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "large"), size); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	at, err := root.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	seen, err := lstat(root, at, "large")
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (*os.File, error){
		"Open":     func() (*os.File, error) { return Open(root, "large") },
		"openSame": func() (*os.File, error) { return openSame(root, "large", seen) },
	} {
		file, err := open()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if end, err := file.Seek(0, io.SeekEnd); err != nil || end != size {
			t.Errorf("%s: the end is at %d, %v, want %d", name, end, err, size)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
