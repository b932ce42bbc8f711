package derived

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/table"
)

// Whoever reads on from a block finds what one finds who asks for each anew, however newer tables overlap older ones.
func TestRowFoundLast(t *testing.T) {
	const length = 300
	for seed := range uint64(30) {
		random, dir, cache := rand.New(rand.NewPCG(seed, 1)), t.TempDir(), table.NewCache(1<<20, 0)
		var runs []Limited
		for number := range 1 + random.IntN(4) {
			path := filepath.Join(dir, fmt.Sprint(number))
			writeRuns(t, path, random, length)
			open, err := table.Open(packlog.OS(), path, blockmap.RunsSchema, cache)
			if err != nil {
				t.Fatal(err)
			}
			defer open.Close()
			limit := uint64(blockmap.NoLimit)
			if random.IntN(3) == 0 {
				limit = random.Uint64N(length)
			}
			runs = append(runs, Limited{open, limit})
		}
		core := &Core{Runs: runs}
		for range 40 {
			for block := random.Uint64N(length); block < length && random.IntN(50) > 0; block++ {
				got, ok, err := core.Row(t.Context(), block)
				if err != nil {
					t.Fatal(err)
				}
				anew := &Core{Runs: runs}
				want, there, err := anew.Row(t.Context(), block)
				if err != nil || ok != there || got != want {
					t.Fatalf("seed %d: block %d is in %+v, %v, want %+v, %v, %v", seed, block, got, ok, want, there, err)
				}
			}
		}
	}
}

// writeRuns writes a table of runs with gaps between them.
func writeRuns(t *testing.T, path string, random *rand.Rand, length uint64) {
	t.Helper()
	w, err := table.Create(packlog.OS(), path, blockmap.RunsSchema)
	if err != nil {
		t.Fatal(err)
	}
	out := blockmap.NewWriter(w)
	for first := random.Uint64N(length); first < length; first += random.Uint64N(length / 4) {
		r := blockmap.Row{First: first, Count: 1 + random.Uint64N(20), Kind: blockmap.Placed}
		r.Place.Run.Offset, r.Place.At = 8*random.Uint64N(1<<20), uint32(random.IntN(100))
		if err := out.Add(r); err != nil {
			t.Fatal(err)
		}
		first = r.End()
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
}
