package chunk

import (
	"math/bits"
	"sync"
)

// Polynomial is the irreducible polynomial over GF(2), of degree 53, that Rabin fingerprints are taken modulo (bit i is
// the coefficient of x^i). Source: npm rabin 2.0.1.
const Polynomial = 0x3DA3358B4DC173

// A fingerprint is the 64 bytes of the window, read as one polynomial (first byte highest), modulo Polynomial. It is
// kept multiplied by x^scale: its degree is then below 64, its highest byte is the one that the next step pushes out
// over x^64, and a shift by 8 drops that byte by itself.
const (
	degree = 53
	scale  = 64 - degree
)

// rabinTables hold, for each value of a byte, what it adds to a fingerprint. All are linear over XOR.
type rabinTables struct {
	// push[k][b] is b·x^64·x^8k, reduced: what stands in place of a byte b that k+1 steps of 8 bits have pushed out.
	push [4][256]uint64
	// out[b] is b·x^512, reduced: what byte b, now 64 steps old, has become and must be taken away.
	out [256]uint64
}

// tables are computed once; they are read-only from then on.
var tables = sync.OnceValue(func() *rabinTables {
	t := new(rabinTables)
	for b := range 256 {
		v := times8(uint64(b) << (64 - 8))
		for k := range t.push {
			t.push[k][b] = v
			v = times8(v)
		}
		o := uint64(b) << scale
		for range Window {
			o = times8(o)
		}
		t.out[b] = o
	}
	return t
})

// times8 returns the scaled fingerprint f, times x^8, reduced.
func times8(f uint64) uint64 {
	for range 8 {
		carry := f >> 63
		f = f<<1 ^ carry*(Polynomial<<scale&(1<<64-1))
	}
	return f
}

// rabin cuts behind the first window, at least min bytes into the chunk, whose fingerprint ends in zeros.
type rabin struct {
	tables   *rabinTables
	mask     uint64 // bits of a scaled fingerprint that must be zero
	min, max int
}

// NewRabin returns the cutter that cuts where restic/chunker v0.4.0 and npm rabin do with Polynomial and a window of 64
// bytes: behind the first byte, at least Min into the chunk, where the log2(Average) lowest bits of the fingerprint of
// the last 64 bytes are all zero; at Max if there is none.
func NewRabin(limits Limits) (Cutter, error) {
	l, err := limits.Resolved()
	if err != nil {
		return nil, err
	}
	mask := uint64(1)<<bits.TrailingZeros(uint(l.Average)) - 1
	return &rabin{tables: tables(), mask: mask << scale, min: l.Min, max: l.Max}, nil
}

func (r *rabin) Max() int { return r.max }

func (r *rabin) Cut(buf []byte, eof bool) int {
	end := min(len(buf), r.max)
	if end >= r.min {
		if n := r.scan(buf[:end]); n > 0 {
			return n
		}
	}
	if len(buf) >= r.max || eof {
		return end
	}
	return 0
}
