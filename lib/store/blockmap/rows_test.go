package blockmap

import (
	"math/rand/v2"
	"testing"

	"hc/lib/store/runs"
)

// TestRows compares the rows of a set with an array of blocks.
func TestRows(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		var set Rows
		var plain [64]uint32 // which addition says something of a block, plus 1
		for n := range uint32(12) {
			var rows []Row
			for at := uint64(r.IntN(40)); at < 60 && len(rows) < 4; {
				count := 1 + r.Uint64N(4)
				rows = append(rows, Row{First: at, Count: count, Kind: Placed, Place: runs.Place{At: n*1000 + uint32(at)}})
				for b := at; b < at+count; b++ {
					plain[b] = n*1000 + uint32(b) + 1
				}
				at += count + r.Uint64N(5)
			}
			set.Add(rows)
			if r.IntN(8) == 0 {
				length := r.Uint64N(64)
				set.Cut(length)
				clear(plain[length:])
			}
			for b := range uint64(64) {
				got, ok := set.At(b)
				want := plain[b]
				if ok != (want > 0) || ok && got.Part(b, b+1).Place.At+1 != want {
					t.Fatalf("block %d is %+v, %v, want %d", b, got, ok, want)
				}
			}
			for i := 1; i < len(set); i++ {
				if set[i-1].End() > set[i].First {
					t.Fatalf("rows overlap: %+v", set)
				}
			}
		}
	}
}
