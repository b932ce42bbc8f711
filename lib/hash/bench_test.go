package hash

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/blake2b"
)

// cut returns n blocks of the lengths that size gives.
func cut(n int, size func(i int) int) [][]byte {
	blocks := make([][]byte, n)
	for i := range blocks {
		blocks[i] = make([]byte, size(i))
	}
	return blocks
}

// BenchmarkLeaves has beside each case what golang.org/x/crypto/blake2b takes for it, with its own one-call function.
func BenchmarkLeaves(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	between := func(from, to int) func(int) int {
		return func(int) int { return from + random.IntN(to-from+1) }
	}
	type batch struct {
		name   string
		blocks [][]byte
	}
	var cases []batch
	for _, n := range []int{1, 2, 3, 4, 5, 8, 16, 64} {
		cases = append(cases, batch{fmt.Sprintf("blocks=%d/size=64KiB", n), cut(n, between(64<<10, 64<<10))})
	}
	for _, n := range []int{4, 8, 16, 64} {
		cases = append(cases, batch{fmt.Sprintf("blocks=%d/size=16-256KiB", n), cut(n, between(16<<10, 256<<10))})
	}
	for _, size := range []int{1, 20, 50, 100, 119, 120, 200, 247, 400, 1000, 4000} {
		cases = append(cases, batch{fmt.Sprintf("blocks=1000/size=%d", size), cut(1000, between(size, size))})
	}
	for _, n := range []int{1, 2, 3, 4} {
		cases = append(cases, batch{fmt.Sprintf("blocks=%d/size=100", n), cut(n, between(100, 100))})
	}
	cases = append(cases,
		batch{"blocks=1000/size=20-200", cut(1000, between(20, 200))},
		batch{"blocks=4/size=one-long", cut(4, func(i int) int { return 1000 + i/3*1e6 })},
		batch{"blocks=64/size=long-and-short", cut(64, func(i int) int { return 100 + i%2*65536 })},
	)
	for _, c := range cases {
		dst := make([]Digest, len(c.blocks))
		total := 0
		for _, block := range c.blocks {
			total += len(block)
		}
		run := func(impl string, do func()) {
			b.Run(c.name+"/impl="+impl, func(b *testing.B) {
				b.SetBytes(int64(total))
				b.ReportAllocs()
				for b.Loop() {
					do()
				}
			})
		}
		run("x", func() {
			for i, block := range c.blocks {
				dst[i] = blake2b.Sum256(block)
			}
		})
		run("hc", func() { Leaves(dst, c.blocks) })
	}
}
