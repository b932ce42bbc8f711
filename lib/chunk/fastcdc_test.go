package chunk

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
	"slices"
	"testing"
)

// plainFastCDC is the algorithm as the paper states it, a byte a round, with the masks and the gear table that
// NewFastCDC documents.
func plainFastCDC(buf []byte, l Limits) int {
	var table [256]uint64
	for i := range table {
		sum := sha256.Sum256([]byte("hc fastcdc gear 1" + string([]byte{byte(i)})))
		for _, b := range sum[:8] {
			table[i] = table[i]<<8 | uint64(b)
		}
	}
	n := bits.TrailingZeros(uint(l.Average))
	mask := func(n int) (m uint64) {
		for i := range n {
			m |= 1 << (62 - i)
		}
		return m
	}
	var hash uint64
	for i := l.Min; i < min(len(buf), l.Max); i++ {
		hash = hash<<1 + table[buf[i]]
		m := mask(n + 2)
		if i >= l.Average {
			m = mask(n - 2)
		}
		if hash&m == 0 {
			return i + 1
		}
	}
	return min(len(buf), l.Max)
}

func TestFastCDCAsThePaper(t *testing.T) {
	data := randomBytes(256<<10, 8)
	for _, l := range []Limits{{256, 64, 1024}, {256, 64, 255}, {1024, 1024, 1025}, {512, 101, 2001}, {256, 300, 600}} {
		t.Run(fmt.Sprint(l), func(t *testing.T) {
			c := must(NewFastCDC(l))
			for rest := data; len(rest) > 0; {
				got, want := c.Cut(rest, true), plainFastCDC(rest, l)
				if got != want {
					t.Fatalf("with %d bytes left: Cut = %d, want %d", len(rest), got, want)
				}
				rest = rest[got:]
			}
		})
	}
}

// The gear table determines what dedups: changing it would make every chunk new.

func TestFastCDCGear(t *testing.T) {
	const first, last = 0xe50ccd4aad536f02, 0xca7fbefba72d11e2 // printf 'hc fastcdc gear 1\0' | sha256sum
	g := gear()
	if g.once[0] != first || g.once[255] != last {
		t.Errorf("gear table begins with %#x and ends with %#x", g.once[0], g.once[255])
	}
}

// TestFastCDCResumes asks repeatedly, with more and more of the content.
func TestFastCDCResumes(t *testing.T) {
	data := randomBytes(512<<10, 9)
	for _, l := range []Limits{{256, 64, 1024}, {1024, 100, 5000}, {16 << 10, 64, 200 << 10}, {8 << 10, 20 << 10, 40 << 10}} {
		c := must(NewFastCDC(l))
		want := cuts(c, data)
		for seed := range uint64(20) {
			if got := resumedCuts(c, data, seed); !slices.Equal(got, want) {
				t.Fatalf("%v, seed %d: chunks of %v bytes, want %v", l, seed, got, want)
			}
		}
	}
}
