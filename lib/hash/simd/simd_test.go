package simd

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// The results are those of another implementation, around the lengths at which SHA-256 blocks end.
func TestSHA256(t *testing.T) {
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, "abc"
	if got := SHA256([]byte("abc")); hex.EncodeToString(got[:]) != want {
		t.Errorf("SHA256(abc) = %x, want %s", got, want)
	}
	for _, n := range []int{0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 4095, 1 << 16} {
		data := bytes.Repeat([]byte{byte(n), 7, 3}, n)[:n]
		want := sha256.Sum256(data)
		if got := SHA256(data); got != want {
			t.Errorf("SHA256 of %d bytes = %x, want %x", n, got, want)
		}
		parts := NewSHA256()
		parts.Write(data[:n/3])
		parts.Write(data[n/3:])
		if got := parts.Sum(nil); !bytes.Equal(got, want[:]) {
			t.Errorf("of %d bytes in two parts: %x, want %x", n, got, want)
		}
	}
}
