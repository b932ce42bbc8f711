package table

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"testing"

	"hc/lib/store/packlog"
)

// The store's three kinds of rows.
var (
	indexSchema = Schema{Magic: [4]byte{'i', 'n', 'd', 'x'}, KeySize: 32, ValueSize: 20}
	treeSchema  = Schema{Magic: [4]byte{'t', 'r', 'e', 'e'}, KeySize: 8, ValueSize: 40}
	runsSchema  = Schema{Magic: [4]byte{'r', 'u', 'n', 's'}, KeySize: 8, ValueSize: 28}
)

var ctx = context.Background()

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func integer(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// makeRows gives every key a random value, and sorts the rows.
func makeRows(r *rand.Rand, s Schema, keys [][]byte) []Row {
	slices.SortFunc(keys, bytes.Compare)
	keys = slices.CompactFunc(keys, bytes.Equal)
	rows := make([]Row, len(keys))
	for i, key := range keys {
		rows[i] = Row{key, randomBytes(r, s.ValueSize)}
	}
	return rows
}

func hashKeys(r *rand.Rand, n int) [][]byte {
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = randomBytes(r, 32)
	}
	return keys
}

// patterns of keys, each for about n rows.
var patterns = []struct {
	name   string
	schema Schema
	keys   func(r *rand.Rand, n int) [][]byte
}{
	{"hashes", indexSchema, hashKeys},
	{"hashes with one prefix", indexSchema, func(r *rand.Rand, n int) [][]byte {
		keys := hashKeys(r, n)
		for _, key := range keys {
			copy(key, "the same twenty-four bytes here")
		}
		return keys
	}},
	{"dense", treeSchema, func(r *rand.Rand, n int) [][]byte { return integers(n, 7, func(int) uint64 { return 1 }) }},
	{"dense to the highest", treeSchema, func(r *rand.Rand, n int) [][]byte {
		return integers(n, -uint64(n), func(int) uint64 { return 1 })
	}},
	{"sparse", runsSchema, func(r *rand.Rand, n int) [][]byte {
		return integers(n, 0, func(int) uint64 { return 2 + r.Uint64N(100) })
	}},
	{"every other", treeSchema, func(r *rand.Rand, n int) [][]byte { return integers(n, 0, func(int) uint64 { return 2 }) }},
	{"mixed", treeSchema, func(r *rand.Rand, n int) [][]byte {
		return integers(n, 0, func(int) uint64 {
			if r.IntN(60) == 0 {
				return 1 + r.Uint64N(1<<40)
			}
			return 1
		})
	}},
	{"gap in every page", treeSchema, func(r *rand.Rand, n int) [][]byte {
		return integers(n, 0, func(i int) uint64 {
			if i%90 == 0 {
				return 2
			}
			return 1
		})
	}},
	{"doubling", Schema{Magic: [4]byte{'d'}, KeySize: 32, ValueSize: 1000}, func(r *rand.Rand, n int) [][]byte {
		var keys [][]byte // 1, 2, 4, 8 …: interpolation does not help
		for i := range min(n, 255) {
			key := make([]byte, 32)
			key[31-i/8] = 1 << (i % 8)
			keys = append(keys, key)
		}
		return keys
	}},
	{"one byte", Schema{Magic: [4]byte{'b'}, KeySize: 1, ValueSize: 1}, func(r *rand.Rand, n int) [][]byte {
		var keys [][]byte
		for i := range min(n, 256) {
			keys = append(keys, []byte{byte(i)})
		}
		return keys
	}},
	{"largest rows", Schema{Magic: [4]byte{'l'}, KeySize: 64, ValueSize: 1024}, func(r *rand.Rand, n int) [][]byte {
		var keys [][]byte
		for range n {
			keys = append(keys, randomBytes(r, 64))
		}
		return keys
	}},
}

func integers(n int, first uint64, step func(i int) uint64) [][]byte {
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = integer(first)
		first += step(i)
	}
	return keys
}

func writeTable(t testing.TB, fsys packlog.FS, path string, s Schema, rows []Row) {
	t.Helper()
	w, err := Create(fsys, path, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := w.Add(row.Key, row.Value); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := w.Finish(); err != nil || n != uint64(len(rows)) {
		t.Fatalf("Finish() = %d, %v, want %d rows", n, err, len(rows))
	}
}

func openTable(t testing.TB, fsys packlog.FS, path string, s Schema, cache *Cache) *Table {
	t.Helper()
	table, err := Open(fsys, path, s, cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() })
	return table
}

func newTable(t testing.TB, s Schema, rows []Row) *Table {
	t.Helper()
	fsys := newMemFS()
	writeTable(t, fsys, "t", s, rows)
	return openTable(t, fsys, "t", s, NewCache(1<<20, 0))
}

// The table against a sorted slice, at sizes around those of a page, for all patterns of keys.
func TestAgainstSlice(t *testing.T) {
	for _, pattern := range patterns {
		s := pattern.schema
		var sizes []int
		for _, page := range []int{s.sparseRows(), s.denseRows(), 2 * s.sparseRows(), 2 * s.denseRows()} {
			if page > 0 {
				sizes = append(sizes, page-1, page, page+1)
			}
		}
		sizes = append(sizes, 0, 1, 2, 3000)
		for i, n := range sizes {
			t.Run(fmt.Sprintf("%s/rows=%d", pattern.name, n), func(t *testing.T) {
				r := newRand(uint64(i))
				rows := makeRows(r, s, pattern.keys(r, n))
				compareWithSlice(t, r, newTable(t, s, rows), rows)
			})
		}
	}
}

func compareWithSlice(t *testing.T, r *rand.Rand, table *Table, rows []Row) {
	t.Helper()
	if table.Rows() != uint64(len(rows)) {
		t.Fatalf("Rows() = %d, want %d", table.Rows(), len(rows))
	}
	if len(rows) == 0 {
		if table.First() != nil || table.Last() != nil {
			t.Errorf("First, Last = %x, %x, want none", table.First(), table.Last())
		}
	} else if !bytes.Equal(table.First(), rows[0].Key) || !bytes.Equal(table.Last(), rows[len(rows)-1].Key) {
		t.Errorf("First, Last = %x, %x", table.First(), table.Last())
	}
	if err := table.Verify(ctx); err != nil {
		t.Error(err)
	}
	compareScan(t, table, nil, rows)
	size := table.schema.KeySize
	probes := [][]byte{make([]byte, size), bytes.Repeat([]byte{255}, size), randomBytes(r, size)}
	for _, row := range rows {
		probes = append(probes, row.Key, neighbour(row.Key, 1), neighbour(row.Key, -1))
	}
	for i, key := range probes {
		compareLookUps(t, table, key, rows)
		if i%(37*stride(27)) == 0 || i < 12 {
			compareScan(t, table, key, rows)
		}
	}
}

// neighbour returns the key one above or below, as if it were an integer.
func neighbour(key []byte, by int) []byte {
	key = bytes.Clone(key)
	for i := len(key) - 1; i >= 0; i-- {
		key[i] += byte(by)
		if by > 0 && key[i] != 0 || by < 0 && key[i] != 255 {
			break
		}
	}
	return key
}

func compareLookUps(t *testing.T, table *Table, key []byte, rows []Row) {
	t.Helper()
	i, equal := sort.Find(len(rows), func(i int) int { return bytes.Compare(key, rows[i].Key) })
	value, ok, err := table.Get(ctx, key)
	if err != nil || ok != equal || ok && !bytes.Equal(value, rows[i].Value) {
		t.Fatalf("Get(%x) = %x, %v, %v, want %v", key, value, ok, err, equal)
	}
	if !equal {
		i--
	}
	floor, value, ok, err := table.Floor(ctx, key)
	if err != nil || ok != (i >= 0) || ok && (!bytes.Equal(floor, rows[i].Key) || !bytes.Equal(value, rows[i].Value)) {
		t.Fatalf("Floor(%x) = %x, %x, %v, %v, want row %d", key, floor, value, ok, err, i)
	}
}

func compareScan(t *testing.T, table *Table, from []byte, rows []Row) {
	t.Helper()
	i, _ := sort.Find(len(rows), func(i int) int { return bytes.Compare(from, rows[i].Key) })
	for row, err := range table.Scan(ctx, from) {
		if err != nil || i >= len(rows) || !bytes.Equal(row.Key, rows[i].Key) || !bytes.Equal(row.Value, rows[i].Value) {
			t.Fatalf("Scan(%x) yields %x, %x, %v, want row %d of %d", from, row.Key, row.Value, err, i, len(rows))
		}
		i++
	}
	if i != len(rows) {
		t.Fatalf("Scan(%x) stops at row %d, want %d", from, i, len(rows))
	}
}

func TestScanStops(t *testing.T) {
	r := newRand(1)
	table := newTable(t, indexSchema, makeRows(r, indexSchema, hashKeys(r, 500)))
	seen := 0
	for range table.Scan(ctx, nil) {
		if seen++; seen == 100 {
			break
		}
	}
	if seen != 100 {
		t.Errorf("saw %d rows", seen)
	}
}

// Dense rows store no keys, and a gap between rows costs no more than where it is.
func TestDensePages(t *testing.T) {
	for _, test := range []struct {
		name  string
		rows  int
		gap   int // a key is left out every so many
		pages int64
	}{
		{"dense", 10200, 0, 100},
		{"gap behind every dense page", 10200, 102, 100},
		{"gap before a page is worth being dense", 10200, 50, 120}, // 10200 / 85
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRand(1)
			rows := makeRows(r, treeSchema, integers(test.rows, 0, func(i int) uint64 {
				if test.gap > 0 && (i+1)%test.gap == 0 {
					return 2
				}
				return 1
			}))
			if got := newTable(t, treeSchema, rows).Size() / pageSize; got != 1+test.pages {
				t.Errorf("table has %d pages, want 1 + %d", got, test.pages)
			}
		})
	}
}

func TestMisuse(t *testing.T) {
	r := newRand(1)
	table := newTable(t, treeSchema, makeRows(r, treeSchema, integers(3, 0, func(int) uint64 { return 1 })))
	if _, _, err := table.Get(ctx, make([]byte, 7)); !errors.Is(err, ErrSize) {
		t.Errorf("Get of a short key: %v", err)
	}
	if _, _, _, err := table.Floor(ctx, nil); !errors.Is(err, ErrSize) {
		t.Errorf("Floor of no key: %v", err)
	}
	for _, err := range table.Scan(ctx, []byte{1}) {
		if !errors.Is(err, ErrSize) {
			t.Errorf("Scan from a short key: %v", err)
		}
	}
	for _, s := range []Schema{{}, {KeySize: 8}, {ValueSize: 8}, {KeySize: 65, ValueSize: 1}, {KeySize: 1, ValueSize: 1025}, {KeySize: -1, ValueSize: 1}} {
		if _, err := Create(newMemFS(), "t", s); !errors.Is(err, ErrSize) {
			t.Errorf("Create(%v): %v", s, err)
		}
		if _, err := Open(newMemFS(), "t", s, NewCache(0, 0)); !errors.Is(err, ErrSize) {
			t.Errorf("Open(%v): %v", s, err)
		}
	}
	if _, err := Open(newMemFS(), "t", treeSchema, NewCache(0, 0)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of no file: %v", err)
	}
}

func TestCancelled(t *testing.T) {
	r := newRand(1)
	rows := makeRows(r, indexSchema, hashKeys(r, 500))
	table := newTable(t, indexSchema, rows)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := table.Get(cancelled, rows[250].Key); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v", err)
	}
	var last error
	for _, err := range table.Scan(cancelled, nil) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("Scan: %v", last)
	}
	if err := table.Verify(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify: %v", err)
	}
}

// Many readers read two tables through a cache that holds a few of their pages.
func TestConcurrentReaders(t *testing.T) {
	fsys, cache := newMemFS(), NewCache(0, 0)
	r := newRand(1)
	index := makeRows(r, indexSchema, hashKeys(r, 5000))
	tree := makeRows(r, treeSchema, integers(5000, 0, func(int) uint64 { return 1 }))
	writeTable(t, fsys, "index", indexSchema, index)
	writeTable(t, fsys, "tree", treeSchema, tree)
	tables := []*Table{
		openTable(t, fsys, "index", indexSchema, cache),
		openTable(t, fsys, "tree", treeSchema, cache),
	}
	var readers sync.WaitGroup
	for i := range 20 {
		readers.Go(func() {
			r := newRand(uint64(i))
			for range 2000 {
				table, rows := tables[i%2], [][]Row{index, tree}[i%2]
				row := rows[r.IntN(len(rows))]
				value, ok, err := table.Get(ctx, row.Key)
				if err != nil || !ok || !bytes.Equal(value, row.Value) {
					t.Errorf("Get(%x) = %x, %v, %v", row.Key, value, ok, err)
					return
				}
			}
		})
	}
	readers.Wait()
	shard := &cache.shards[0]
	if n := len(shard.frames); n > 16 || shard.room < 0 {
		t.Errorf("cache of 16 pages holds %d, has room for %d", n, shard.room)
	}
	for key, f := range shard.frames {
		if f.pins.Load() != 0 {
			t.Errorf("page %v has %d readers", key, f.pins.Load())
		}
	}
}
