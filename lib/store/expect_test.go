package store

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"hc/lib/hash"
	"hc/lib/store/dedup"
)

// expectStore returns a store with so many blocks, in tables of its index and in its tail.
func expectStore(t *testing.T, blocks int) (s *Store, stored []hash.Digest) {
	t.Helper()
	s = openTest(t, t.TempDir(), Options{tuning: tuning{bufferRows: 64, fanOut: 2, never: true}})
	for core := range byte(4) {
		m := newModel(core)
		var part [][]byte
		for i := range blocks / 4 {
			data := fmt.Appendf(nil, "block %d of core %d", i, core)
			part, stored = append(part, data), append(stored, hash.Leaf(data))
		}
		if err := m.append(t.Context(), s, TxOptions{Durable: true}, part...); err != nil {
			t.Fatal(err)
		}
		if core == 3 {
			continue // stays in the tail
		}
		if err := s.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return s, stored
}

// Whatever is expected, and in whichever order blocks then come, a block is found if and only if it is in the store.
// Most blocks that come as expected and are not in the index need no look into its tables.
func TestExpect(t *testing.T) {
	s, stored := expectStore(t, 2000)
	var mixed []hash.Digest // every third is stored
	for i := range 3 * len(stored) {
		if i%3 == 0 {
			mixed = append(mixed, stored[i/3])
		} else {
			mixed = append(mixed, hash.Leaf(fmt.Append(nil, "new ", i)))
		}
	}
	backwards := make([]hash.Digest, len(mixed))
	for i, leaf := range mixed {
		backwards[len(mixed)-1-i] = leaf
	}
	for _, test := range []struct {
		name     string
		expected []hash.Digest
		step     int
		most     int // look-ups of missing blocks; 0: any number
	}{
		{"as it comes", mixed, 1, len(mixed) / 20},
		{"every seventh", mixed, 7, len(mixed) / 20},
		{"backwards", backwards, 1, 0},
		{"only the first", mixed[:100], 1, 0},
		{"others", stored, 1, 0},
		{"nothing", nil, 1, 0},
	} {
		tx, err := s.Begin(t.Context(), newModel(9).key, TxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		tx.Expect(test.expected)
		var alone dedup.Expected
		alone.Set(test.expected)
		looked := 0
		for i := 0; i < len(mixed); i += test.step {
			absent, err := alone.Absent(t.Context(), tx.view.state.derived.Index, mixed[i])
			if err != nil {
				t.Fatal(err)
			}
			known, err := tx.Has(t.Context(), mixed[i])
			if err != nil {
				t.Fatal(err)
			}
			if known != (i%3 == 0) {
				t.Fatalf("%s: block %d: known %v", test.name, i, known)
			}
			if !known && !absent {
				looked++
			}
		}
		if test.most > 0 && looked > test.most {
			t.Errorf("%s: %d blocks were looked for one by one, more than %d", test.name, looked, test.most)
		}
		tx.Abort()
	}
}

// A damaged filter is no reason to fail: blocks are stored again, and read back.
func TestExpectOfDamagedFilter(t *testing.T) {
	s, _ := expectStore(t, 2000)
	dir := filepath.Join(s.Dir(), "index")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := 4096; at < 8192; at += 64 {
			data[at] ^= 1
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s = openTest(t, s.Dir(), Options{})
	m := newModel(9)
	var blocks [][]byte
	for i := range 1000 {
		blocks = append(blocks, fmt.Appendf(nil, "block %d of core %d", i%500, i/500))
	}
	if err := m.append(t.Context(), s, TxOptions{Durable: true}, blocks...); err != nil {
		t.Fatal(err)
	}
	m.check(t, m.view(t, s))
}
