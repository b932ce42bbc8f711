package chunk

import (
	"math/bits"
	"sync"
)

// Polynomial is the irreducible polynomial over GF(2), of degree 53, that Rabin fingerprints are taken modulo (bit i is
// the coefficient of x^i). Source: npm rabin 2.0.1.
const Polynomial = 0x3DA3358B4DC173

// degree is that of Polynomial, and the bits of a fingerprint.
const degree = 53

// rabinTables hold, for each value of a byte, what it adds to a fingerprint: the 64 bytes of the window, read as one
// polynomial (the first byte is the highest), modulo Polynomial.
type rabinTables struct {
	// push[b] is b·x^53, reduced, and b·x^53 itself, which cancels the byte that a step has pushed above the degree.
	push [256]uint64
	// out[b] is b·x^512, reduced: what a byte has become 64 steps after it came in, and must be taken away.
	out [256]uint64
}

// tables are computed once; they are read-only from then on.
var tables = sync.OnceValue(func() *rabinTables {
	t := new(rabinTables)
	for b := range uint64(256) {
		f := b
		for range degree {
			f = timesX(f)
		}
		t.push[b] = f ^ b<<degree
		f = b
		for range 8 * Window {
			f = timesX(f)
		}
		t.out[b] = f
	}
	return t
})

// timesX returns f·x, reduced.
func timesX(f uint64) uint64 {
	f <<= 1
	return f ^ f>>degree*Polynomial
}

// rabin cuts behind the first window, at least min bytes into the chunk, whose fingerprint ends in zeros.
type rabin struct {
	tables   *rabinTables
	mask     uint64 // bits of a fingerprint that must be zero
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
	return &rabin{tables: tables(), mask: mask, min: l.Min, max: l.Max}, nil
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
