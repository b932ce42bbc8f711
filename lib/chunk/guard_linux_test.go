package chunk

import (
	"syscall"
	"testing"
)

// guarded returns n bytes between two pages that cannot be read; n is a multiple of a page's size.
func guarded(t *testing.T, n int) []byte {
	t.Helper()
	page := syscall.Getpagesize()
	all, err := syscall.Mmap(-1, 0, n+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(all); err != nil {
			t.Error(err)
		}
	})
	for _, guard := range [][]byte{all[:page], all[page+n:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return all[page : page+n : page+n]
}

// TestNoByteBeside has content begin and end at pages that cannot be read: a read beside it would be fatal.
func TestNoByteBeside(t *testing.T) {
	page := guarded(t, 8*syscall.Getpagesize())
	copy(page, randomBytes(len(page), 1))
	runOnEachPath(t, func(t *testing.T) {
		c := rabinCutter(t, Limits{1 << 20, Window, Largest})
		for n := 0; n <= len(page); n += 1 + n/37 {
			cuts(c, page[:n])
			cuts(c, page[len(page)-n:])
		}
	})
}
