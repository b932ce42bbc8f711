package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
)

// testdata/first was written by hc-append and a checkpoint before packs were ever rewritten, by
//
//	seq 1 40 | hc-append --lines count
//	seq 1 1200 | hc-chunk --avg 1k --min 512 --max 4k | hc-append table
//	seq 500 1300 | hc-chunk --avg 1k --min 512 --max 4k | hc-append other
//	(a checkpoint)
//	seq 41 50 | hc-append --lines count

func firstStore(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), ".hc")
	if err := os.CopyFS(dir, os.DirFS("testdata/first")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "locks"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func seq(first, last int) []byte {
	var b bytes.Buffer
	for i := first; i <= last; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.Bytes()
}

// content returns all blocks of a core, one after another.
func content(t *testing.T, s *Store, key keys.Key) []byte {
	t.Helper()
	v, err := s.View(t.Context(), key, false)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for b := range v.Head().Length {
		data, err := v.Block(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := v.Node(t.Context(), 2*b); err != nil || n.Hash != hash.Leaf(data) {
			t.Fatalf("block %d is not what its node says: %v", b, err)
		}
		all = append(all, data...)
	}
	return all
}

// TestFirstStore opens, reads, appends to, collects and repacks a store that an earlier version wrote.
func TestFirstStore(t *testing.T) {
	want := map[string][]byte{"count": seq(1, 50), "table": seq(1, 1200), "other": seq(500, 1300)}
	dir := firstStore(t)
	see := func(options Options) {
		t.Helper()
		s := openTest(t, dir, options)
		names, err := s.Names()
		if err != nil || len(names) != 3 {
			t.Fatal(names, err)
		}
		for _, n := range names {
			if got := content(t, s, n.Key); want[n.Name] != nil && !bytes.Equal(got, want[n.Name]) {
				t.Fatalf("%s has %d bytes, want %d", n.Name, len(got), len(want[n.Name]))
			}
		}
		if damage := s.Damage(); len(damage) > 0 {
			t.Fatal(damage)
		}
	}
	see(Options{ReadOnly: true})
	see(Options{})
	s := openTest(t, dir, Options{})
	more := newModel(9)
	if err := more.append(t.Context(), s, TxOptions{Durable: true}, seq(1, 90), seq(91, 99)); err != nil {
		t.Fatal(err)
	}
	other, err := s.Resolve("other")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveName(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	if report := mustGC(t, s, GCOptions{All: true}); report.Freed() <= 0 {
		t.Fatalf("%+v", report)
	}
	if _, err := s.Repack(t.Context(), RepackOptions{Cold: true}); err != nil {
		t.Fatal(err)
	}
	sound(t, s, more)
	for _, name := range []string{"count", "table"} {
		key, err := s.Resolve(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := content(t, s, key); !bytes.Equal(got, want[name]) {
			t.Fatalf("%s has %d bytes, want %d", name, len(got), len(want[name]))
		}
	}
}
