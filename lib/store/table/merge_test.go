package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
)

// mergeTables merges tables, newest first, and opens the result.
func mergeTables(t *testing.T, s Schema, drop func(key, value []byte) bool, newestFirst ...[]Row) *Table {
	t.Helper()
	fsys, cache := newMemFS(), NewCache(0, 0)
	var tables []*Table
	for i, rows := range newestFirst {
		name := fmt.Sprint(i)
		writeTable(t, fsys, name, s, rows)
		tables = append(tables, openTable(t, fsys, name, s, cache))
	}
	w, err := Create(fsys, "merged", s)
	if err != nil {
		t.Fatal(err)
	}
	if err := Merge(ctx, w, drop, tables...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	return openTable(t, fsys, "merged", s, cache)
}

// Merge against a map that is written oldest first.
func TestMerge(t *testing.T) {
	odd := func(key, value []byte) bool { return value[0]%2 == 1 }
	for _, test := range []struct {
		name  string
		sizes []int  // newest first
		among uint64 // keys are below
		drop  func(key, value []byte) bool
	}{
		{"none", nil, 1, nil},
		{"empty", []int{0, 0}, 1, nil},
		{"one", []int{1000}, 5000, nil},
		{"one and empty ones", []int{0, 1000, 0}, 5000, nil},
		{"apart", []int{1000, 1000}, 1 << 40, nil},
		{"overlapping", []int{10, 300, 4000, 2000}, 5000, nil},
		{"overlapping, dropping", []int{10, 300, 4000, 2000}, 5000, odd},
		{"the same keys", []int{100, 100, 100}, 100, nil},
		{"all dropped", []int{100, 100, 100}, 5000, func(_, _ []byte) bool { return true }},
	} {
		t.Run(test.name, func(t *testing.T) { testMerge(t, treeSchema, integer, test.sizes, test.among, test.drop) })
		t.Run("sparse, "+test.name, func(t *testing.T) { // with three keys that begin alike
			long := func(n uint64) []byte { return slices.Concat(integer(n/3), integer(n), make([]byte, 16)) }
			testMerge(t, indexSchema, long, test.sizes, test.among, test.drop)
		})
	}
}

func testMerge(t *testing.T, s Schema, key func(uint64) []byte, sizes []int, among uint64, drop func(key, value []byte) bool) {
	r := newRand(uint64(len(t.Name())))
	var tables [][]Row
	for _, n := range sizes {
		keys := make([][]byte, n)
		for i := range keys {
			keys[i] = key(r.Uint64N(among))
		}
		tables = append(tables, makeRows(r, s, keys))
	}
	merged := make(map[string][]byte)
	for _, rows := range slices.Backward(tables) {
		for _, row := range rows {
			merged[string(row.Key)] = row.Value
		}
	}
	var want []Row
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		if drop == nil || !drop([]byte(key), merged[key]) {
			want = append(want, Row{[]byte(key), merged[key]})
		}
	}
	compareWithSlice(t, r, mergeTables(t, s, drop, tables...), want)
}

// The newest row of a key hides the older ones, even if it is dropped itself: it may say that the key is gone.
func TestMergeDropHidesOlder(t *testing.T) {
	tombstone := make([]byte, 40)
	alive := bytes.Repeat([]byte{1}, 40)
	table := mergeTables(t, treeSchema,
		func(_, value []byte) bool { return bytes.Equal(value, tombstone) },
		[]Row{{integer(1), tombstone}, {integer(3), alive}},
		[]Row{{integer(1), alive}, {integer(2), alive}, {integer(3), tombstone}})
	compareScan(t, table, nil, []Row{{integer(2), alive}, {integer(3), alive}})
}

func TestMergeDamaged(t *testing.T) {
	s := small(t)[0]
	file := bytes.Clone(s.file)
	file[2*pageSize+100]++
	damaged, err := s.open(file)
	if err != nil {
		t.Fatal(err)
	}
	good, err := s.open(s.file)
	if err != nil {
		t.Fatal(err)
	}
	fsys := newMemFS()
	w, err := Create(fsys, "merged", s.schema)
	if err != nil {
		t.Fatal(err)
	}
	if err := Merge(ctx, w, nil, good, damaged); !errors.Is(err, ErrDamaged) {
		t.Errorf("Merge: %v", err)
	}
	w.Abort()
}

func TestMergeCancelled(t *testing.T) {
	s := small(t)[0]
	table, err := s.open(s.file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := Create(newMemFS(), "merged", s.schema)
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	drop := func(_, _ []byte) bool { cancel(); return false } // at the first row
	if err := Merge(cancelled, w, drop, table); !errors.Is(err, context.Canceled) {
		t.Errorf("Merge: %v", err)
	}
	w.Abort()
}
