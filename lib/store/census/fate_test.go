package census

import (
	"math/rand/v2"
	"testing"

	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
)

// A record's blocks are left up to the shortest length that a later truncation cuts back to.
func TestFateLeft(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		var f Fate
		var all []cut
		for offset := uint64(8); offset < 400; offset += 8 {
			if random.IntN(3) == 0 {
				c := cut{packlog.Position{Pack: 1, Offset: offset}, random.Uint64N(30)}
				f.addCut(c)
				all = append(all, c)
			}
		}
		for offset := uint64(0); offset < 420; offset += 4 {
			at, want := packlog.Position{Pack: 1, Offset: offset}, uint64(blockmap.NoLimit)
			for _, c := range all {
				if at.Less(c.at) {
					want = min(want, c.length)
				}
			}
			if got := f.left(at); got != want {
				t.Fatalf("seed %d: of what stands at %v %d blocks are left, want %d", seed, at, got, want)
			}
		}
	}
}
