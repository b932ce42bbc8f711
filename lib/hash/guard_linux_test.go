package hash

import (
	"syscall"
	"testing"

	"hc/tests/guard"
)

// TestNoByteBeside hashes blocks that begin and end at unreadable pages: a read beside them would be fatal.
func TestNoByteBeside(t *testing.T) {
	mapped := make([][]byte, maxLanes+1)
	for i := range mapped {
		mapped[i] = guard.Bytes(t, 2*syscall.Getpagesize())
		copy(mapped[i], noise(uint64(i), len(mapped[i])))
	}
	runOnEachPath(t, func(t *testing.T) {
		blocks := make([][]byte, len(mapped))
		for n := 0; n <= len(mapped[0]); n++ {
			if n > 700 && n%113 != 0 {
				continue
			}
			for i, m := range mapped {
				blocks[i] = m[len(m)-max(0, n-i):]
			}
			checkLeaves(t, blocks)
			for i, m := range mapped {
				blocks[i] = m[:max(0, n-i)]
			}
			checkLeaves(t, blocks)
		}
	})
}
