package derived

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/table"
	"hc/lib/store/treetable"
)

// Merged tables of runs have the row for each block that a look-up in the originals finds, and none for blocks that are
// not held.
func TestMergeRuns(t *testing.T) {
	const length = 300
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 2))
		core := &Core{Runs: openRuns(t, random, length)}
		var got [length + 100]blockmap.Row
		err := core.EachRow(t.Context(), func(r blockmap.Row) error {
			for b := r.First; b < r.End(); b++ {
				if got[b].Count > 0 {
					t.Fatalf("seed %d: block %d comes twice", seed, b)
				}
				got[b] = r.Part(b, b+1)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for b := range got {
			want, ok, err := (&Core{Runs: core.Runs}).Row(t.Context(), uint64(b))
			if err != nil {
				t.Fatal(err)
			}
			if ok = ok && want.Held(); ok {
				want = want.Part(uint64(b), uint64(b)+1)
			} else {
				want = blockmap.Row{}
			}
			if got[b] != want {
				t.Fatalf("seed %d: block %d is in %+v, want %+v", seed, b, got[b], want)
			}
		}
	}
}

// Merged tables of trees have the value of each node that a look-up in the originals finds, even if some of their rows
// do not count.
func TestMergeTrees(t *testing.T) {
	const length = 200
	schema, cache := treetable.Schema, table.NewCache(1<<20, 0)
	for seed := range uint64(40) {
		random, dir := rand.New(rand.NewPCG(seed, 3)), t.TempDir()
		core := &Core{}
		for number := range 1 + random.IntN(4) {
			tree := writeTable(t, filepath.Join(dir, fmt.Sprint(number)), schema, cache, func(w *table.Writer) error {
				set := treetable.NewSet()
				for range random.IntN(100) {
					n := merkle.Node{Index: random.Uint64N(2 * length), Size: random.Uint64(), Hash: hash.Digest{byte(number)}}
					n.Size >>= 1
					if err := treetable.Climb([]merkle.Node{n}, nothingKnown, &set); err != nil {
						return err
					}
				}
				return set.AddTo(w)
			})
			limit := uint64(blockmap.NoLimit)
			if seed%2 == 0 && random.IntN(2) == 0 {
				limit = random.Uint64N(2 * length)
			}
			core.Tree = append(core.Tree, Limited{tree, limit})
		}
		merged := writeTable(t, filepath.Join(dir, "merged"), schema, cache, func(w *table.Writer) error {
			return MergeTrees(t.Context(), w, core.Tree)
		})
		for number := range treetable.Count(length) {
			index := treetable.Index(number)
			want, there, err := core.Node(t.Context(), index)
			if err != nil {
				t.Fatal(err)
			}
			value, ok, err := merged.Get(t.Context(), binary.BigEndian.AppendUint64(nil, number))
			if err != nil || ok != there || ok && treetable.DecodeValue(index, value) != want {
				t.Fatalf("seed %d: node %d is %x, %v, %v, want %+v, %v", seed, index, value, ok, err, want, there)
			}
		}
	}
}

func nothingKnown(uint64) (merkle.Node, bool, error) { return merkle.Node{}, false, nil }

// writeTable writes a table, and opens it.
func writeTable(t *testing.T, path string, schema table.Schema, cache *table.Cache, fill func(*table.Writer) error) *table.Table {
	t.Helper()
	w, err := table.Create(packlog.OS(), path, schema)
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(w); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	open, err := table.Open(packlog.OS(), path, schema, cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { open.Close() })
	return open
}
