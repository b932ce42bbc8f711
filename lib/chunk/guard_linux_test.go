package chunk

import (
	"syscall"
	"testing"

	"hc/tests/guard"
)

// TestNoByteBeside cuts content that begins and ends at unreadable pages: a read beside it would be fatal.
func TestNoByteBeside(t *testing.T) {
	page := guard.Bytes(t, 8*syscall.Getpagesize())
	copy(page, randomBytes(len(page), 1))
	runOnEachPath(t, func(t *testing.T) {
		c := rabinCutter(t, Limits{1 << 20, Window, Largest})
		for n := 0; n <= len(page); n += 1 + n/37 {
			cuts(c, page[:n])
			cuts(c, page[len(page)-n:])
		}
	})
}
