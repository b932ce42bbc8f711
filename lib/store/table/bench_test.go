package table

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"hc/lib/store/packlog"
)

// realFS is the real file system, counting reads.
type realFS struct {
	packlog.FS // for what tables do not use
	reads      atomic.Int64
}

func (r *realFS) OpenFile(name string, flag int, perm fs.FileMode) (packlog.File, error) {
	f, err := os.OpenFile(name, flag, perm)
	return &realFile{File: f, reads: &r.reads}, err
}

type realFile struct {
	*os.File
	unused
	reads *atomic.Int64
}

type unused struct{ packlog.File }

func (f *realFile) ReadAt(p []byte, at int64) (int, error) {
	f.reads.Add(1)
	return f.File.ReadAt(p, at)
}

func (f *realFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// sortedHashes returns n keys that look like hashes, in order.
func sortedHashes(r *rand.Rand, n int) [][32]byte {
	keys := make([][32]byte, n)
	for i := range keys {
		for at := 0; at < 32; at += 8 {
			binary.BigEndian.PutUint64(keys[i][at:], r.Uint64())
		}
	}
	slices.SortFunc(keys, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	return keys
}

const benchRows = 1_000_000

func writeBench(b *testing.B, fsys packlog.FS, path string, s Schema, rows int, key func(i int) []byte) {
	b.Helper()
	w, err := Create(fsys, path, s)
	if err != nil {
		b.Fatal(err)
	}
	fillBench(b, w, s, rows, key)
}

// fillBench writes the rows of a table, and finishes it.
func fillBench(b *testing.B, w *Writer, s Schema, rows int, key func(i int) []byte) {
	b.Helper()
	value := make([]byte, s.ValueSize)
	for i := range rows {
		if err := w.Add(key(i), value); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkGet looks up keys at random, both existing and missing ones.
func BenchmarkGet(b *testing.B) {
	fsys := new(realFS)
	dir := b.TempDir()
	r := newRand(1)
	keys := sortedHashes(r, benchRows)
	index := filepath.Join(dir, "index")
	writeBench(b, fsys, index, indexSchema, len(keys), func(i int) []byte { return keys[i][:] })
	tree := filepath.Join(dir, "tree")
	writeBench(b, fsys, tree, treeSchema, benchRows, func(i int) []byte { return integer(uint64(i)) })
	present := func(r *rand.Rand) []byte { return keys[r.IntN(len(keys))][:] }
	absent := func(r *rand.Rand) []byte { return randomBytes(r, 32) }
	dense := func(r *rand.Rand) []byte { return integer(r.Uint64N(benchRows)) }
	for _, bench := range []struct {
		name   string
		path   string
		schema Schema
		key    func(r *rand.Rand) []byte
		cache  int64
	}{
		{"index/present/cache=1MiB", index, indexSchema, present, 1 << 20},
		{"index/absent/cache=1MiB", index, indexSchema, absent, 1 << 20},
		{"index/present/cache=128MiB", index, indexSchema, present, 128 << 20},
		{"tree/present/cache=1MiB", tree, treeSchema, dense, 1 << 20},
	} {
		b.Run(bench.name, func(b *testing.B) {
			t := openTable(b, fsys, bench.path, bench.schema, NewCache(bench.cache, 0))
			r := newRand(2)
			fsys.reads.Store(0)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := t.Get(context.Background(), bench.key(r)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(fsys.reads.Load())/float64(b.N), "reads/op")
		})
	}
}

// BenchmarkAsk asks the filters of eight tables of a million rows, held in memory, for keys that none of them has.
func BenchmarkAsk(b *testing.B) {
	fsys, cache, r := new(realFS), NewCache(1<<20, 1<<30), newRand(1)
	var tables []*Table
	for i := range 8 {
		keys := sortedHashes(r, benchRows)
		path := filepath.Join(b.TempDir(), fmt.Sprint(i))
		w, err := CreateFiltered(fsys, path, indexSchema, benchRows)
		if err != nil {
			b.Fatal(err)
		}
		fillBench(b, w, indexSchema, len(keys), func(i int) []byte { return keys[i][:] })
		tables = append(tables, openTable(b, fsys, path, indexSchema, cache))
	}
	for _, count := range []int{32, 512, 16 << 10} {
		b.Run(fmt.Sprintf("keys=%d", count), func(b *testing.B) {
			batch, passed := new(Batch), 0
			var keys [][]byte
			for range count {
				keys = append(keys, randomBytes(r, 32))
			}
			for b.Loop() {
				batch.Reset()
				for _, key := range keys {
					key[0]++
					batch.Add(key)
				}
				for _, t := range tables {
					if err := t.Ask(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
				}
				for i := range keys {
					if batch.MayHave(i) {
						passed++
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count*len(tables)), "ns/key")
			b.ReportMetric(100*float64(passed)/float64(b.N)/float64(count), "%pass")
		})
	}
}

// BenchmarkAdd writes a table of a million rows, synced at its end.
func BenchmarkAdd(b *testing.B) {
	keys := sortedHashes(newRand(1), benchRows)
	for _, bench := range []struct {
		name   string
		schema Schema
		key    func(i int) []byte
	}{
		{"index", indexSchema, func(i int) []byte { return keys[i][:] }},
		{"tree", treeSchema, func(i int) []byte { return integer(uint64(i)) }},
		{"runs", runsSchema, func(i int) []byte { return integer(3 * uint64(i)) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			dir := b.TempDir()
			b.SetBytes(int64(benchRows * (bench.schema.KeySize + bench.schema.ValueSize)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				writeBench(b, new(realFS), filepath.Join(dir, fmt.Sprint(i)), bench.schema, benchRows, bench.key)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
		})
	}
}

// BenchmarkMerge merges three tables of a million rows in all into one.
func BenchmarkMerge(b *testing.B) {
	r, fsys, dir, cache := newRand(1), new(realFS), b.TempDir(), NewCache(1<<20, 0)
	var tables []*Table
	for i, rows := range []int{10_000, 90_000, 900_000} {
		keys := sortedHashes(r, rows)
		path := filepath.Join(dir, fmt.Sprint("level", i))
		writeBench(b, fsys, path, indexSchema, rows, func(i int) []byte { return keys[i][:] })
		tables = append(tables, openTable(b, fsys, path, indexSchema, cache))
	}
	b.SetBytes(benchRows * 52)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w, err := Create(fsys, filepath.Join(dir, fmt.Sprint(i)), indexSchema)
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
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
}

// BenchmarkScan reads a table of a million rows from end to end.
func BenchmarkScan(b *testing.B) {
	fsys, path := new(realFS), filepath.Join(b.TempDir(), "t")
	writeBench(b, fsys, path, treeSchema, benchRows, func(i int) []byte { return integer(uint64(i)) })
	t := openTable(b, fsys, path, treeSchema, NewCache(0, 0))
	b.SetBytes(t.Size())
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range t.Scan(context.Background(), nil) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
