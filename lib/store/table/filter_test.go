package table

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
)

// newFiltered writes a table of hashes with a filter made for so many rows.
func newFiltered(t testing.TB, rows []Row, expected uint64) sample {
	t.Helper()
	fsys := newMemFS()
	w, err := CreateFiltered(fsys, "t", indexSchema, expected)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := w.Add(row.Key, row.Value); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	return sample{indexSchema, rows, fsys.bytes(t, "t"), w.header.filter}
}

// A table with a filter returns what one without returns, however many rows the filter was made for.
func TestFilteredAgainstSlice(t *testing.T) {
	r := newRand(1)
	for _, n := range []int{0, 1, 40, 41, 3000, 20_000} {
		rows := makeRows(r, indexSchema, hashKeys(r, n))
		for _, expected := range []uint64{1, uint64(n) + 1, 50_000} {
			table, err := newFiltered(t, rows, expected).open(newFiltered(t, rows, expected).file)
			if err != nil {
				t.Fatal(err)
			}
			if n > 3000 && expected < uint64(n) {
				continue // the slice is slow enough
			}
			compareWithSlice(t, r, table, rows)
		}
	}
}

// The filter passes few missing keys, and each costs one read.
func TestFilterRefuses(t *testing.T) {
	r := newRand(1)
	const rows, asked = 50_000, 50_000
	s := newFiltered(t, makeRows(r, indexSchema, hashKeys(r, rows)), rows)
	fsys := newMemFS()
	fsys.put("t", s.file)
	table := openTable(t, fsys, "t", indexSchema, NewCache(0, 0))
	passed := 0
	for range asked {
		key := randomBytes(r, 32)
		may, err := table.mayHave(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		if may {
			passed++
		}
	}
	if passed > asked/300 {
		t.Errorf("of %d keys that are not there %d pass", asked, passed)
	}
	before := fsys.reads.Load()
	for range 1000 {
		if _, ok, err := table.Get(ctx, randomBytes(r, 32)); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if reads := fsys.reads.Load() - before; reads < 900 || reads > 1100 {
		t.Errorf("1000 look-ups of what is not there take %d reads", reads)
	}
	if size, most := int64(len(s.file)), table.header.at(1)-pageSize; most > size/26 {
		t.Errorf("the filter takes %d of %d bytes", most, size)
	}
}

// A filter that is asked often, and that the cache has room for, is read once. It says the same as when it is not held,
// and reports damage, too.
func TestFilterHeld(t *testing.T) {
	r := newRand(1)
	const rows, asked = 50_000, 20_000
	s := newFiltered(t, makeRows(r, indexSchema, hashKeys(r, rows)), rows)
	fsys := newMemFS()
	fsys.put("t", s.file)
	size := int64(s.filter) * filterBlock
	cache := NewCache(0, size+size/2)
	held, other := openTable(t, fsys, "t", indexSchema, cache), openTable(t, fsys, "t", indexSchema, NewCache(0, size-1))
	ask := func(table *Table, key []byte) bool {
		t.Helper()
		may, err := table.mayHave(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		return may
	}
	before := fsys.reads.Load()
	var keys [][]byte
	for range asked {
		key := randomBytes(r, 32)
		keys = append(keys, key)
		if of := ask(held, key); of != ask(other, key) {
			t.Fatalf("held, it says %v of %x", of, key)
		}
	}
	reads := fsys.reads.Load() - before - asked // one for each of the other's
	if most := int64(s.filter/filterAsked) + size/filterBuffer + 1; reads > most {
		t.Errorf("%d questions to a filter of %d blocks take %d reads, more than %d", asked, s.filter, reads, most)
	}

	second := openTable(t, fsys, "t", indexSchema, cache)
	askAll := func() {
		for _, key := range keys {
			ask(second, key)
		}
	}
	askAll()
	if second.filter.held.Load() != nil {
		t.Error("a filter is held that there is no room for")
	}
	held.Retire()
	held.Retire()
	askAll()
	if second.filter.held.Load() == nil || cache.filterRoom.Load() != size/2 {
		t.Errorf("where there is room again the filter is not held, or %d bytes of %d are left", cache.filterRoom.Load(), size/2)
	}
	for _, key := range keys {
		ask(held, key)
	}
	if held.filter.held.Load() != nil {
		t.Error("a filter is held of a table that was retired")
	}

	file := bytes.Clone(s.file)
	file[pageSize+5*filterBlock]++
	fsys.put("t", file)
	damaged := openTable(t, fsys, "t", indexSchema, NewCache(0, size))
	damaged.filter.asked.Store(s.filter)
	if _, err := damaged.mayHave(ctx, keys[0]); !errors.Is(err, ErrDamaged) {
		t.Fatalf("of a filter with a wrong bit: %v", err)
	}
}

// A filter that does not match its keys, under valid checksums, is found by reading everything; and its page by Check.
func TestFilterChecked(t *testing.T) {
	s := small(t)[3]
	for _, test := range []struct {
		name string
		at   int
		mask byte
	}{
		{"a bit more", pageSize + 3, 0},
		{"a bit behind the blocks", pageSize + int(s.filter)*filterBlock, 1},
	} {
		file := bytes.Clone(s.file)
		for bit := byte(1); test.mask == 0; bit <<= 1 {
			if file[test.at]&bit == 0 {
				test.mask = bit
			}
		}
		file[test.at] ^= test.mask
		sealAll(s, file)
		table, err := s.open(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := table.Verify(ctx); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	file := bytes.Clone(s.file)
	file[pageSize+100] ^= 4
	table, err := s.open(file)
	if err != nil {
		t.Fatal(err)
	}
	if offset, err := table.Check(ctx); offset != pageSize || !errors.Is(err, ErrDamaged) {
		t.Errorf("Check = %d, %v", offset, err)
	}
}

func TestFilterTakesHashes(t *testing.T) {
	if _, err := CreateFiltered(newMemFS(), "t", treeSchema, 10); !errors.Is(err, ErrSize) {
		t.Errorf("a filter over keys of 8 bytes: %v", err)
	}
	s := small(t)[3]
	for _, blocks := range []byte{0, byte(s.filter) + 1} {
		file := bytes.Clone(s.file)
		file[headerKeys+2*32] = blocks
		sealAll(s, file)
		table, err := s.open(file)
		if err == nil { // as many pages
			err = table.Verify(ctx)
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("with a filter of %d blocks, not %d: %v", blocks, s.filter, err)
		}
	}
}

// The example of a block in FORMAT.md is what a writer makes.
func TestFilterExample(t *testing.T) {
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, doc, _ = bytes.Cut(doc, []byte("### An example of a filter\n"))
	var found []byte
	for _, line := range regexp.MustCompile(`(?m)^    ((?:[0-9a-f]{2} ?)+)$`).FindAllStringSubmatch(string(doc), -1) {
		row, err := hex.DecodeString(strings.ReplaceAll(line[1], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, row...)
	}
	if len(found) != 16+filterBlock {
		t.Fatalf("FORMAT.md has an example of %d bytes", len(found))
	}
	var block []byte
	m := filterMaker{
		header: &header{id: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, filter: 1},
		done:   func(b []byte) error { block = bytes.Clone(b); return nil },
	}
	if err := errors.Join(m.add(found[:16]), m.goTo(1)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(block, found[16:]) {
		t.Errorf("made % x, FORMAT.md has % x", block, found[16:])
	}
}
