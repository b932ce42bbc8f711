package hash

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/blake2b"
)

func BenchmarkLeaf(b *testing.B) {
	for _, size := range []int{64, 4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			block := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				Leaf(block)
			}
		})
	}
}

// BenchmarkLeaves reports for each case, as impl=x, also the time of golang.org/x/crypto/blake2b for the same bytes.
func BenchmarkLeaves(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		count, from, to int // blocks, bytes
	}{
		{1, 64 << 10, 64 << 10}, {2, 64 << 10, 64 << 10}, {3, 64 << 10, 64 << 10}, {4, 64 << 10, 64 << 10},
		{8, 64 << 10, 64 << 10}, {16, 64 << 10, 64 << 10}, {6, 16 << 10, 256 << 10}, {9, 16 << 10, 256 << 10}, {16, 16 << 10, 256 << 10}, {256, 1 << 10, 64 << 10},
		{1, 100, 100}, {2, 100, 100}, {4, 100, 100}, {1000, 100, 100}, {1000, 20, 200}, {1000, 1000, 1000},
	} {
		blocks, total := make([][]byte, c.count), 0
		for i := range blocks {
			blocks[i] = make([]byte, c.from+random.IntN(c.to-c.from+1))
			total += len(blocks[i])
		}
		dst := make([]Digest, c.count)
		run := func(impl string, do func()) {
			b.Run(fmt.Sprintf("blocks=%d/size=%d-%d/impl=%s", c.count, c.from, c.to, impl), func(b *testing.B) {
				b.SetBytes(int64(total))
				b.ReportAllocs()
				for b.Loop() {
					do()
				}
			})
		}
		run("x", func() {
			for i, block := range blocks {
				dst[i] = blake2b.Sum256(block)
			}
		})
		run("hc", func() { Leaves(dst, blocks) })
	}
}

func BenchmarkParent(b *testing.B) {
	var d Digest
	b.ReportAllocs()
	for b.Loop() {
		d = Parent(1, d, d)
	}
}

// BenchmarkParents reports for each case, as impl=x, also the time of golang.org/x/crypto/blake2b for the same bytes.
func BenchmarkParents(b *testing.B) {
	for _, count := range []int{1, 2, 4, 8, 64, 1024} {
		dst, sizes, children := make([]Digest, count), make([]uint64, count), make([]Digest, 2*count)
		b.Run(fmt.Sprintf("pairs=%d/impl=x", count), func(b *testing.B) {
			for b.Loop() {
				for i, size := range sizes {
					var message [headSize + 2*Size]byte
					message[0] = typeParent
					binary.LittleEndian.PutUint64(message[1:], size)
					copy(message[headSize:], children[2*i][:])
					copy(message[headSize+Size:], children[2*i+1][:])
					dst[i] = blake2b.Sum256(message[:])
				}
			}
		})
		b.Run(fmt.Sprintf("pairs=%d/impl=hc", count), func(b *testing.B) {
			for b.Loop() {
				Parents(dst, sizes, children)
			}
		})
	}
}
