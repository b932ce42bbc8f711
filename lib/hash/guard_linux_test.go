package hash

import (
	"syscall"
	"testing"
)

// guarded returns n bytes between two pages that cannot be read.
func guarded(t *testing.T, n int) []byte {
	t.Helper()
	page := syscall.Getpagesize()
	size := (n + page - 1) / page * page
	all, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(all); err != nil {
			t.Error(err)
		}
	})
	for _, guard := range [][]byte{all[:page], all[page+size:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return all[page : page+size : page+size]
}

// TestNoByteBeside has blocks begin and end at pages that cannot be read: a read beside them would be fatal.
func TestNoByteBeside(t *testing.T) {
	mapped := make([][]byte, maxLanes+1)
	for i := range mapped {
		mapped[i] = guarded(t, 2*syscall.Getpagesize())
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
