package hash

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// vectors is the BLAKE2b state of several messages at once: each has a lane, one column of every row. The assembly
// relies on its layout.
type vectors struct {
	h      [8][maxLanes]uint64
	count  [maxLanes]uint64         // bytes hashed
	ending ending                   // of the blocks to come
	from   [maxLanes]unsafe.Pointer // to the next block
}

// ending describes the last of several blocks. Those before it are whole and not the last of their message.
type ending struct {
	step [maxLanes]uint64 // bytes of the block that count, of 128
	last [maxLanes]uint64 // all ones if the block ends its message, else 0
}

const (
	maxLanes  = 8
	blockSize = 128 // bytes, BLAKE2b's
)

// A kernel hashes the next blocks of the first lanes, which are contiguous from v.from on, as [compressGeneric] does.
type kernel struct {
	lanes    int
	compress func(v *vectors, blocks int)
}

// kernels are the assembly kernels that run on this processor, by width, and of two equally wide ones the faster one
// first. In plain Go four messages at once take longer than one after the other.
var kernels []kernel

var iv = [8]uint64{
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
}

// parameters is mixed into iv[0]: 32 bytes of output, no key, no tree. Source: RFC 7693, 2.5.
const parameters = 0x01010000 | Size

// whole is the ending of a full block that does not end its message.
var whole = ending{step: [maxLanes]uint64{128, 128, 128, 128, 128, 128, 128, 128}}

// order says which word of a block is used in which position of each round; the last two rounds repeat the first two.
// Source: RFC 7693, 2.7.
var order = [10][16]byte{
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
	{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
	{7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
	{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
	{2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
	{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
	{13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
	{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
	{10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
}

// compressGeneric hashes the next blocks, at least one, of each of the first lanes. It does not change v.from.
func compressGeneric(v *vectors, blocks, lanes int) {
	for lane := range lanes {
		data := unsafe.Slice((*byte)(v.from[lane]), blocks*blockSize)
		for ; len(data) > blockSize; data = data[blockSize:] {
			v.compressBlock(lane, data, &whole)
		}
		v.compressBlock(lane, data, &v.ending)
	}
}

// compressBlock hashes one block into a lane.
func (v *vectors) compressBlock(lane int, block []byte, e *ending) {
	var m, w [16]uint64
	for i := range m {
		m[i] = binary.LittleEndian.Uint64(block[8*i:])
	}
	for i := range iv {
		w[i], w[8+i] = v.h[i][lane], iv[i]
	}
	v.count[lane] += e.step[lane]
	w[12] ^= v.count[lane] // the upper half, in w[13], is for messages of 16 EiB
	w[14] ^= e.last[lane]
	for round := range 12 {
		s := &order[round%len(order)]
		for i := range 4 {
			mix(&w[i], &w[4+i], &w[8+i], &w[12+i], m[s[2*i]], m[s[2*i+1]])
		}
		for i := range 4 {
			mix(&w[i], &w[4+(i+1)%4], &w[8+(i+2)%4], &w[12+(i+3)%4], m[s[8+2*i]], m[s[8+2*i+1]])
		}
	}
	for i := range v.h {
		v.h[i][lane] ^= w[i] ^ w[8+i]
	}
}

// mix is BLAKE2b's function G. Source: RFC 7693, 3.1.
func mix(a, b, c, d *uint64, x, y uint64) {
	*a += *b + x
	*d = bits.RotateLeft64(*d^*a, -32)
	*c += *d
	*b = bits.RotateLeft64(*b^*c, -24)
	*a += *b + y
	*d = bits.RotateLeft64(*d^*a, -16)
	*c += *d
	*b = bits.RotateLeft64(*b^*c, -63)
}
