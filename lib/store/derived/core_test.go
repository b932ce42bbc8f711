package derived

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"hc/lib/store/blockmap"
	"hc/lib/store/table"
)

// Reading on from a block finds the same rows as looking up each block, however newer tables overlap older ones.
func TestRowFoundLast(t *testing.T) {
	const length = 300
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		runs := openRuns(t, random, length)
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

// openRuns returns tables of runs, newest first, with limits, and with gaps between their rows, which overlap those of
// others.
func openRuns(t *testing.T, random *rand.Rand, length uint64) (runs []Limited) {
	t.Helper()
	dir, cache := t.TempDir(), table.NewCache(1<<20, 0)
	for number := range 1 + random.IntN(4) {
		open := writeTable(t, filepath.Join(dir, fmt.Sprint(number)), blockmap.RunsSchema, cache, func(w *table.Writer) error {
			return writeRuns(w, random, length)
		})
		limit := uint64(blockmap.NoLimit)
		if random.IntN(3) == 0 {
			limit = random.Uint64N(length)
		}
		runs = append(runs, Limited{open, limit})
	}
	return runs
}

// writeRuns writes rows with gaps between them.
func writeRuns(w *table.Writer, random *rand.Rand, length uint64) error {
	out := blockmap.NewWriter(w)
	for first := random.Uint64N(length); first < length; first += random.Uint64N(length / 4) {
		r := blockmap.Row{First: first, Count: 1 + random.Uint64N(20), Kind: blockmap.Placed}
		if random.IntN(4) == 0 {
			r.Kind = blockmap.Cleared
		} else {
			r.Place.Run.Offset, r.Place.At = 8*random.Uint64N(1<<20), uint32(random.IntN(100))
		}
		if err := out.Add(r); err != nil {
			return err
		}
		first = r.End()
	}
	return out.Flush()
}
