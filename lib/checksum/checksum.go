// Package checksum computes CRC-32C of bytes that are known in parts: the checksum of a block, computed once, serves
// a stream that carries the block and a record that stores it, without another look at its bytes.
package checksum

import (
	"hash/crc32"
	"sync"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum is the CRC-32C of some bytes, if it is known. The zero Sum is unknown.
type Sum struct {
	CRC   uint32
	Known bool
}

// Of returns the sum of b.
func Of(b []byte) Sum { return Sum{crc32.Checksum(b, castagnoli), true} }

// Then returns the sum of the bytes of s followed by n bytes whose sum is behind. It is known if both are.
func (s Sum) Then(behind Sum, n int) Sum {
	if !s.Known || !behind.Known {
		return Sum{}
	}
	return Sum{Combine(s.CRC, behind.CRC, n), true}
}

// Combine returns the CRC-32C of bytes whose checksum is crc, followed by n bytes whose checksum is behind. It takes
// about as long as a checksum of two KiB, whatever n is.
//
// A checksum is a polynomial over GF(2), modulo Castagnoli's; n more bytes multiply it by x to the power of 8n. The
// inversions at both ends of a checksum cancel out.
func Combine(crc, behind uint32, n int) uint32 {
	table := powers()
	for i := 0; n > 0; i, n = i+1, n>>8 {
		if digit := n & 0xff; digit > 0 {
			crc = multiply(table[i][digit], crc)
		}
	}
	return crc ^ behind
}

// powers()[i][k] is x to the power of 8k·256^i.
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

// one is the polynomial 1: the lowest power is in the highest bit.
const one = 1 << 31

// multiply returns the product of two polynomials.
func multiply(a, b uint32) (product uint32) {
	for range 32 {
		product ^= b & -(a >> 31) // if the current term of a is set
		a <<= 1
		b = b>>1 ^ crc32.Castagnoli&-(b&1) // times x
	}
	return product
}
