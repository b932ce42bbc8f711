// Package checksum makes CRC-32C of bytes that are known in parts: the checksum of a block, computed once, serves a stream
// that carries it and a record that stores it, without its bytes being looked at again.
package checksum

import (
	"hash/crc32"
	"sync"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum is the CRC-32C of some bytes, if it is known. The zero Sum is not known.
type Sum struct {
	CRC   uint32
	Known bool
}

// Of returns the sum of b.
func Of(b []byte) Sum { return Sum{crc32.Checksum(b, castagnoli), true} }

// Then returns the sum of the bytes that s is of with n bytes behind them whose sum is behind. It is known if both are.
func (s Sum) Then(behind Sum, n int) Sum {
	if !s.Known || !behind.Known {
		return Sum{}
	}
	return Sum{Combine(s.CRC, behind.CRC, n), true}
}

// Combine returns the CRC-32C of bytes whose own is crc with n bytes behind them, whose own is behind. It takes what a checksum
// of two KiB does, whatever n is.
//
// A checksum is a polynomial over GF(2), modulo that of Castagnoli; n bytes more multiply it by x to the power of 8n.
// What both ends of a checksum are inverted for cancels out.
func Combine(crc, behind uint32, n int) uint32 {
	table := powers()
	for i := 0; n > 0; i, n = i+1, n>>8 {
		if digit := n & 0xff; digit > 0 {
			crc = multiply(table[i][digit], crc)
		}
	}
	return crc ^ behind
}

// powers has in [i][k] x to the power of 8k·256^i.
var powers = sync.OnceValue(func() *[8][256]uint32 {
	var table [8][256]uint32
	step := uint32(one >> 8) // x to the power of 8
	for i := range table {
		table[i][0] = one
		for k := 1; k < 256; k++ {
			table[i][k] = multiply(table[i][k-1], step)
		}
		step = multiply(table[i][255], step)
	}
	return &table
})

// one is the polynomial 1: the bit of the lowest power stands highest.
const one = 1 << 31

// multiply returns the product of two polynomials.
func multiply(a, b uint32) (product uint32) {
	for range 32 {
		product ^= b & -(a >> 31) // the term of a that is looked at
		a <<= 1
		b = b>>1 ^ crc32.Castagnoli&-(b&1) // times x
	}
	return product
}
