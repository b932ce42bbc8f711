package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// write makes a folder of these files.
func write(t *testing.T, files map[string][]byte) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// random returns bytes that nothing compresses, one chunk of them.
func random(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func versions(t *testing.T) (older, newer string) {
	older = write(t, map[string][]byte{"same": random(1000), "dir/changes": random(2000), "goes/far/away": random(3000), "moves": random(5000)})
	newer = write(t, map[string][]byte{"same": random(1000), "dir/changes": random(2001), "comes/new": random(4000), "twice": random(4000), "moved": random(5000)})
	return older, newer
}

// What is new is counted once; what has only moved is another file, but no other chunk.
func TestCount(t *testing.T) {
	got, err := count(versions(t))
	if err != nil {
		t.Fatal(err)
	}
	want := counts{Files: 5, Bytes: 16001, Changed: 4, Chunks: 5, New: 2, NewBytes: 6001, Compressed: 6001}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestCountCompresses(t *testing.T) {
	older, newer := write(t, nil), write(t, map[string][]byte{"a": bytes.Repeat([]byte("text "), 1000)})
	got, err := count(older, newer)
	if err != nil || got.NewBytes != 5000 || got.Compressed < 10 || got.Compressed > 100 {
		t.Errorf("5 letters a thousand times are %+v, %v", got, err)
	}
}

func TestApply(t *testing.T) {
	older, newer := versions(t)
	folder := t.TempDir()
	if out, err := exec.Command("cp", "-Rp", older+"/.", folder).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v, %s", err, out)
	}
	before, err := os.Stat(filepath.Join(folder, "same"))
	if err != nil {
		t.Fatal(err)
	}
	if err := apply(older, newer, folder); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("diff", "-r", newer, folder).CombinedOutput(); err != nil {
		t.Errorf("diff: %v\n%s", err, out)
	}
	after, err := os.Stat(filepath.Join(folder, "same"))
	if err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("what did not change was touched (%v)", err)
	}
}
