//go:build linux || darwin

// Package guard gives tests memory whose surroundings cannot be touched, for code without bounds checks: assembly.
package guard

import (
	"syscall"
	"testing"
)

// Bytes returns n bytes, or as many more as make whole pages, between two that can be neither read nor written until the test ends.
func Bytes(t testing.TB, n int) []byte {
	t.Helper()
	page := syscall.Getpagesize()
	n = (n + page - 1) / page * page
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
