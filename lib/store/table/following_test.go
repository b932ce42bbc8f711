package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"
)

// fixedID writes rows with a constant table id, so that files can be compared.
func fixedID(t *testing.T, s Schema, write func(*Writer) error) []byte {
	t.Helper()
	fsys := newMemFS()
	w, err := Create(fsys, "t", s)
	if err != nil {
		t.Fatal(err)
	}
	w.header.id = [8]byte{1}
	if err := write(w); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	return fsys.bytes(t, "t")
}

// AddFollowing makes the same file as Add, whatever came before and however the rows are split.
func TestAddFollowing(t *testing.T) {
	r := newRand(1)
	for _, gaps := range []int{1, 3, 20} {
		var rows []Row
		for key := r.Uint64N(9); len(rows) < 40_000; key += 1 + r.Uint64N(3) {
			for range 1 + r.IntN(80_000/gaps/gaps) {
				rows = append(rows, Row{integer(key), randomBytes(r, 40)})
				key++
			}
		}
		one := fixedID(t, treeSchema, func(w *Writer) error {
			for _, row := range rows {
				if err := w.Add(row.Key, row.Value); err != nil {
					return err
				}
			}
			return nil
		})
		many := fixedID(t, treeSchema, func(w *Writer) error {
			for i := 0; i < len(rows); {
				first, values := prefix(rows[i].Key), []byte(nil)
				for n := r.IntN(300); n >= 0 && i < len(rows) && prefix(rows[i].Key) == first+uint64(len(values)/40); n-- {
					values = append(values, rows[i].Value...)
					i++
				}
				if err := w.AddFollowing(first, values); err != nil {
					return err
				}
			}
			return w.AddFollowing(0, nil)
		})
		if !bytes.Equal(one, many) {
			t.Errorf("with %d gaps the files differ", gaps)
		}
	}
}

func TestAddFollowingRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		schema Schema
		first  uint64
		values int
		want   error
	}{
		{"keys that are no integers", indexSchema, 1, 20, ErrSize},
		{"half a value", treeSchema, 1, 60, ErrSize},
		{"below the row before", treeSchema, 4, 40, ErrOrder},
		{"over the highest key", treeSchema, math.MaxUint64, 80, ErrOrder},
	} {
		t.Run(test.name, func(t *testing.T) {
			fsys := newMemFS()
			w, err := Create(fsys, "t", test.schema)
			if err != nil {
				t.Fatal(err)
			}
			if test.schema.KeySize == 8 {
				if err := w.AddFollowing(4, make([]byte, 40)); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.AddFollowing(test.first, make([]byte, test.values)); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if fsys.has("t") {
				t.Error("the file is still there")
			}
		})
	}
}

// A write that fails while rows are gathered is reported by the next call.
func TestWriteFails(t *testing.T) {
	values := make([]byte, 40*20_000)
	for failAt := 2; ; failAt++ {
		fsys := newMemFS()
		fsys.failAt = failAt
		w, err := Create(fsys, "t", treeSchema)
		if err != nil {
			t.Fatal(err)
		}
		for first := uint64(0); first < 100_000 && err == nil; first += 20_000 {
			err = w.AddFollowing(first, values)
		}
		if err == nil {
			_, err = w.Finish()
		}
		if fsys.calls < failAt {
			if err != nil || failAt < 15 {
				t.Fatalf("%d calls, then %v", failAt-1, err)
			}
			return
		}
		if !errors.Is(err, errInjected) || fsys.has("t") {
			t.Fatalf("call %d failed: %v; the file is there: %v", failAt, err, fsys.has("t"))
		}
	}
}

// Tables that do not overlap, in any order, are merged page by page.
func TestMergeApart(t *testing.T) {
	r := newRand(1)
	var want []Row
	var tables [][]Row
	key := uint64(5)
	for _, step := range []func(int) uint64{
		func(int) uint64 { return 1 },
		func(int) uint64 { return 3 },
		func(i int) uint64 { return 1 + uint64(i%50/49) },
		func(int) uint64 { return 1 },
	} {
		rows := makeRows(r, treeSchema, integers(700, key, step))
		key = prefix(rows[len(rows)-1].Key) + 1
		tables, want = append(tables, rows), append(want, rows...)
	}
	compareWithSlice(t, r, mergeTables(t, treeSchema, nil, tables...), want)
	slices.Reverse(tables)
	compareWithSlice(t, r, mergeTables(t, treeSchema, nil, tables...), want)
}

// BenchmarkGrow writes a tree as a growing log does, and merges eight tables of one.
func BenchmarkGrow(b *testing.B) {
	dir, cache := b.TempDir(), NewCache(1<<20, 0)
	values := make([]byte, 40*8000)
	write := func(b *testing.B, path string, from, rows int) {
		w, err := Create(new(realFS), path, treeSchema)
		if err != nil {
			b.Fatal(err)
		}
		for ; rows > 0; from, rows = from+8000, rows-8000 {
			if err := w.AddFollowing(uint64(from), values); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := w.Finish(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("write", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			write(b, filepath.Join(dir, fmt.Sprint(i)), 0, benchRows)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
	})
	var tables []*Table
	for i := range 8 {
		path := filepath.Join(dir, fmt.Sprint("level", i))
		write(b, path, i*160_000, 160_000)
		tables = append(tables, openTable(b, new(realFS), path, treeSchema, cache))
	}
	slices.Reverse(tables)
	b.Run("merge", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			w, err := Create(new(realFS), filepath.Join(dir, fmt.Sprint("merged", i)), treeSchema)
			if err != nil {
				b.Fatal(err)
			}
			if err := Merge(context.Background(), w, nil, tables...); err != nil {
				b.Fatal(err)
			}
			if _, err := w.Finish(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1_280_000, "ns/row")
	})
}
