package chunk

import (
	"sync"
	"sync/atomic"
)

// Polynomial is the irreducible polynomial over GF(2), of degree 53, modulo which Rabin fingerprints are taken (bit i
// is the coefficient of x^i). Source: npm rabin 2.0.1.
const Polynomial = 0x3DA3358B4DC173

// A fingerprint has 53 bits, the degree of Polynomial. It is kept in the highest bits of a word: so a step pushes out
// the bits above the degree, and one shift gives the byte that it pushes out.
const (
	degree  = 53
	unused  = 64 - degree // lowest bits of a word
	topByte = 56
)

// rabinTables hold what each value of a byte adds to a fingerprint: the 64 bytes of the window, read as one
// polynomial (the first byte is the highest), modulo Polynomial.
type rabinTables struct {
	push [256]uint64 // b·x^53: the contribution of the highest byte when it is pushed out
	out  [256]uint64 // b·x^512: the contribution of a byte 64 steps after it came in, which must be removed
}

// tables are computed once, and read-only from then on.
var tables = sync.OnceValue(func() *rabinTables {
	t := new(rabinTables)
	for b := range uint64(256) {
		t.push[b] = timesX(b<<unused, degree)
		t.out[b] = timesX(b<<unused, 8*Window)
	}
	return t
})

// timesX returns f·x^n, reduced.
func timesX(f uint64, n int) uint64 {
	const rest = Polynomial << unused & (1<<64 - 1) // without x^53
	for range n {
		f = f<<1 ^ f>>63*rest
	}
	return f
}

// rabin cuts after the first window, at least min bytes into the chunk, whose fingerprint ends in zeros.
type rabin struct {
	tables   *rabinTables
	mask     uint64 // bits of a fingerprint that must be zero
	min, max int

	near     int         // bytes up to which a single lane finds a hit fastest
	lastNear atomic.Bool // whether the last hit, in any input, was near: a guess that affects only the speed

	kernel                *kernel // nil: none
	sliced                *sliced // for the kernel
	leastSteps, mostSteps int     // a lane of it
}

// NewRabin returns the cutter that cuts where restic/chunker v0.4.0 and npm rabin do with Polynomial and a window of
// 64 bytes: after the first byte, at least Min into the chunk, at which the log2(Average) lowest bits of the
// fingerprint of the last 64 bytes are all zero; at Max if there is none.
func NewRabin(limits Limits) (Cutter, error) {
	l, err := limits.Resolved()
	if err != nil {
		return nil, err
	}
	mask := uint64(l.Average-1) << unused
	r := &rabin{tables: tables(), mask: mask, min: l.Min, max: l.Max, near: group}
	if len(kernels) > 0 && l.Average >= sliceable {
		r.kernel = &kernels[len(kernels)-1]
		r.near = nearSliced
		r.sliced = newSliced(r.tables, mask)
		r.leastSteps, r.mostSteps = slicedSteps(r.kernel.lanes, l.Average)
	}
	return r, nil
}

func (r *rabin) Max() int { return r.max }

func (r *rabin) Cut(buf []byte, eof bool) int { return r.cutFrom(buf, 0, eof) }

// worth is the size of a Chunker's reads.
func (r *rabin) worth() int { return mostRead }

func (r *rabin) cutFrom(buf []byte, from int, eof bool) int {
	end := min(len(buf), r.max)
	if end >= r.min {
		if n := r.scan(buf[:end], max(from, r.min)); n > 0 {
			return n
		}
	}
	if len(buf) >= r.max || eof {
		return end
	}
	return 0
}
