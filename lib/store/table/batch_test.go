package table

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// newBatch returns a batch of keys.
func newBatch(keys [][]byte) *Batch {
	b := new(Batch)
	for _, key := range keys {
		b.Add(key)
	}
	return b
}

// A batch says of each key what the filter says of it alone, whether the filter is in memory or in the file.
func TestBatchAgainstOneByOne(t *testing.T) {
	r := newRand(1)
	for _, n := range []int{0, 1, 41, 3000, 50_000} {
		rows := makeRows(r, indexSchema, hashKeys(r, n))
		s := newFiltered(t, rows, uint64(n)+1)
		fsys := newMemFS()
		fsys.put("t", s.file)
		for _, asked := range []int{0, 1, 7, 500, 5000} {
			var keys [][]byte
			for i := range asked {
				if i%3 == 0 && n > 0 {
					keys = append(keys, rows[r.IntN(n)].Key)
				} else {
					keys = append(keys, randomBytes(r, 32))
				}
			}
			for _, room := range []int64{0, 1 << 20} {
				table, one := openTable(t, fsys, "t", indexSchema, NewCache(0, room)), openTable(t, fsys, "t", indexSchema, NewCache(0, 0))
				b := newBatch(keys)
				before := fsys.reads.Load()
				if err := table.Ask(ctx, b); err != nil {
					t.Fatal(err)
				}
				if reads := fsys.reads.Load() - before; reads > int64(s.filter/askedApart)+1 {
					t.Errorf("%d keys of a filter of %d blocks take %d reads", asked, s.filter, reads)
				}
				for i, key := range keys {
					may, err := one.mayHave(ctx, key)
					if err != nil {
						t.Fatal(err)
					}
					if may = may && n > 0; b.MayHave(i) != may {
						t.Fatalf("of %d rows, room %d: key %d of %d: %v, alone %v", n, room, i, asked, b.MayHave(i), may)
					}
				}
			}
		}
	}
}

// Several tables may be asked for a batch: what one of them may have stays marked. A table without a filter may have
// everything.
func TestBatchOverTables(t *testing.T) {
	r := newRand(1)
	fsys, cache := newMemFS(), NewCache(0, 0)
	keys := hashKeys(r, 300)
	b := newBatch(keys)
	for i, part := range [][][]byte{keys[:100], keys[100:200]} {
		name := string(rune('a' + i))
		fsys.put(name, newFiltered(t, makeRows(r, indexSchema, part), 100).file)
		if err := openTable(t, fsys, name, indexSchema, cache).Ask(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	passed := 0
	for i := range keys {
		if b.MayHave(i) {
			passed++
		} else if i < 200 {
			t.Fatalf("key %d is in a table that was asked", i)
		}
	}
	if passed == len(keys) {
		t.Error("all keys pass")
	}
	fsys.put("plain", newSample(t, indexSchema, makeRows(r, indexSchema, keys[:1])).file)
	if err := openTable(t, fsys, "plain", indexSchema, cache).Ask(ctx, b); err != nil {
		t.Fatal(err)
	}
	for i := range keys {
		if !b.MayHave(i) {
			t.Fatalf("key %d does not pass a table without a filter", i)
		}
	}
	b.Reset()
	b.Add(keys[0])
	if b.MayHave(0) {
		t.Error("an emptied batch remembers")
	}
}

// Filters in memory and in the file are asked for a batch of many keys in turn, whatever order that leaves its keys in.
func TestBatchOverHeldAndRead(t *testing.T) {
	r := newRand(2)
	fsys, keys := newMemFS(), hashKeys(r, 3*groupFrom)
	r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	var tables []*Table
	for i := range 4 {
		name := string(rune('a' + i))
		part := slices.Clone(keys[i*groupFrom/2 : (i+1)*groupFrom/2])
		slices.SortFunc(part, bytes.Compare)
		fsys.put(name, newFiltered(t, makeRows(r, indexSchema, part), uint64(len(part))).file)
		tables = append(tables, openTable(t, fsys, name, indexSchema, NewCache(0, int64(i%2)<<20)))
	}
	b := newBatch(keys)
	for i, table := range tables {
		if err := table.Ask(ctx, b); err != nil {
			t.Fatal(err)
		}
		if held := table.filter.held.Load() != nil; held != (i%2 == 1) {
			t.Fatalf("table %d: its filter is held: %v", i, held)
		}
	}
	passed := 0
	for i := range keys {
		if b.MayHave(i) {
			passed++
		} else if i < 2*groupFrom {
			t.Fatalf("key %d is in a table that was asked", i)
		}
	}
	if passed > 2*groupFrom+groupFrom/20 {
		t.Errorf("%d of %d keys pass", passed, len(keys))
	}
}

// A batch finds a damaged block of a filter that it asks, and does not use it.
func TestBatchDamage(t *testing.T) {
	r := newRand(1)
	const rows = 20_000
	s := newFiltered(t, makeRows(r, indexSchema, hashKeys(r, rows)), rows)
	file := bytes.Clone(s.file)
	file[pageSize+5*filterBlock] ^= 1
	fsys := newMemFS()
	fsys.put("t", file)
	var there, elsewhere [][]byte
	for len(there) == 0 || len(elsewhere) < 100 {
		key := randomBytes(r, 32)
		if filterPlace(key, s.filter) == 5 {
			there = append(there, key)
		} else {
			elsewhere = append(elsewhere, key)
		}
	}
	for _, test := range []struct {
		keys [][]byte
		want error
	}{{elsewhere, nil}, {append(there, elsewhere...), ErrDamaged}} {
		table := openTable(t, fsys, "t", indexSchema, NewCache(0, 0))
		if err := table.Ask(ctx, newBatch(test.keys)); !errors.Is(err, test.want) {
			t.Errorf("%d keys: %v, expected %v", len(test.keys), err, test.want)
		}
	}
}
