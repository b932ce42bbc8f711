package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// Rows are sorted by their leaf hashes, and those of one hash stay in order, whether hashes are spread evenly or not.
func TestSortIndex(t *testing.T) {
	for _, count := range []int{0, 1, 100, 1 << 13, 70_001} {
		for _, hashes := range []uint64{1, 3, 1000, 1 << 62} {
			t.Run(fmt.Sprint(count, " of ", hashes), func(t *testing.T) {
				random := rand.New(rand.NewPCG(uint64(count), hashes))
				rows := make([]indexRow, count)
				for i := range rows {
					binary.BigEndian.PutUint64(rows[i].leaf[:], random.Uint64N(hashes)*4)
					binary.BigEndian.PutUint32(rows[i].place[:], uint32(i))
					rows[i].delta = random.IntN(3) == 0
				}
				want := slices.Clone(rows)
				slices.SortStableFunc(want, func(a, b indexRow) int {
					if a.leaf == b.leaf && a.delta != b.delta {
						if a.delta {
							return -1
						}
						return 1
					}
					return bytes.Compare(a.leaf[:], b.leaf[:])
				})
				if sortIndex(rows); !slices.Equal(rows, want) {
					t.Fatal("rows are in another order")
				}
			})
		}
	}
}
