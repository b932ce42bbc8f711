package secretstream

import (
	"encoding/binary"
	"math/bits"
)

// A number is one modulo 2¹³⁰ - 5, below 2¹³¹ - 10, in words of 64 bits from the low one up.
type number struct{ lo, mid, hi uint64 }

// A poly computes a MAC of RFC 8439, 2.5: the slow twin of the kernels, which adds the blocks that they leave.
type poly struct {
	h    number // the sum so far
	r, s [2]uint64
}

func newPoly(key *[32]byte) *poly {
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(key[8*i:]) }
	return &poly{
		r: [2]uint64{word(0) & 0x0ffffffc0fffffff, word(1) & 0x0ffffffc0ffffffc},
		s: [2]uint64{word(2), word(3)},
	}
}

// blocks adds blocks of 16 bytes, and returns the bytes after the last whole one.
func (p *poly) blocks(b []byte) (rest []byte) {
	for ; len(b) >= macSize; b = b[macSize:] {
		p.block(b, 1)
	}
	return b
}

// block adds one block of 16 bytes, with the end mark above it: 1, or 0 if the mark is among the 16.
func (p *poly) block(b []byte, end uint64) {
	h0, c := bits.Add64(p.h.lo, binary.LittleEndian.Uint64(b), 0)
	h1, c := bits.Add64(p.h.mid, binary.LittleEndian.Uint64(b[8:]), c)
	p.h = times(number{h0, h1, p.h.hi + c + end}, p.r[0], p.r[1])
}

// finish adds the last bytes, and sets out to the MAC. Nothing may follow.
func (p *poly) finish(b, out []byte) {
	if rest := p.blocks(b); len(rest) > 0 {
		var last [macSize]byte
		last[copy(last[:], rest)] = 1
		p.block(last[:], 0)
	}
	h0, less := bits.Sub64(p.h.lo, 1<<64-5, 0)
	h1, less := bits.Sub64(p.h.mid, 1<<64-1, less)
	_, less = bits.Sub64(p.h.hi, 3, less)
	keep := -less // all ones if the sum is below 2¹³⁰ - 5
	h0, c := bits.Add64(h0&^keep|p.h.lo&keep, p.s[0], 0)
	h1, _ = bits.Add64(h1&^keep|p.h.mid&keep, p.s[1], c)
	binary.LittleEndian.PutUint64(out, h0)
	binary.LittleEndian.PutUint64(out[8:], h1)
}

// times returns h·r. The bits that newPoly clears in r leave room for all carries. h may have a block added.
func times(h number, r0, r1 uint64) number {
	c1, t0 := bits.Mul64(h.lo, r0)
	c2, t1 := bits.Mul64(h.mid, r0)
	hi, lo := bits.Mul64(h.lo, r1)
	t1, c := bits.Add64(t1, lo, 0)
	c2 += hi + c
	t1, c = bits.Add64(t1, c1, 0)
	c2 += c
	t3, t2 := bits.Mul64(h.mid, r1)
	t2, c = bits.Add64(t2, h.hi*r0, 0)
	t3 += h.hi*r1 + c
	t2, c = bits.Add64(t2, c2, 0)
	return folded(t0, t1, t2, t3+c)
}

// folded returns a number for any four words: the part above 2¹³⁰ counts five times.
func folded(t0, t1, t2, t3 uint64) number {
	f0, f1 := t2&^3, t3 // the part above, four times
	h0, c := bits.Add64(t0, f0, 0)
	h1, c := bits.Add64(t1, f1, c)
	h2 := t2&3 + c
	h0, c = bits.Add64(h0, f0>>2|f1<<62, 0)
	h1, c = bits.Add64(h1, f1>>2, c)
	return number{h0, h1, h2 + c}
}
