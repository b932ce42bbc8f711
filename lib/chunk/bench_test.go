package chunk

import (
	"bytes"
	"fmt"
	"io"
	"math/bits"
	"testing"

	restic "github.com/restic/chunker"
)

func chunkerInputs(b *testing.B) map[string][]byte {
	return map[string][]byte{"random": randomBytes(32<<20, 1), "source": source(b)[:32<<20]}
}

func BenchmarkCut(b *testing.B) {
	for name, data := range chunkerInputs(b) {
		for _, avg := range []int{8 << 10, 64 << 10, 1 << 20} {
			l := Limits{Average: avg}
			run := func(algorithm string, c Cutter) {
				b.Run(fmt.Sprintf("algo=%s/avg=%dKiB/data=%s", algorithm, avg>>10, name), func(b *testing.B) {
					b.SetBytes(int64(len(data)))
					b.ReportAllocs()
					for b.Loop() {
						for rest := data; len(rest) > 0; {
							rest = rest[c.Cut(rest, true):]
						}
					}
				})
			}
			onEachPath(func(path string) { run("rabin/"+path, rabinCutter(b, l)) })
			run("fastcdc", must(NewFastCDC(l)))
		}
	}
}

func BenchmarkChunker(b *testing.B) {
	for name, data := range chunkerInputs(b) {
		l, _ := Limits{}.Resolved()
		rabin, _ := NewRabin(l)
		b.Run("algo=rabin/impl=hc/data="+name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for range b.N {
				c := New(bytes.NewReader(data), rabin, 0)
				for {
					if _, err := c.Next(); err == io.EOF {
						break
					}
				}
			}
		})
		b.Run("algo=rabin/impl=restic/data="+name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			buf := make([]byte, l.Max)
			for range b.N {
				c := restic.NewWithBoundaries(bytes.NewReader(data), restic.Pol(Polynomial), uint(l.Min), uint(l.Max))
				c.SetAverageBits(bits.TrailingZeros(uint(l.Average)))
				for {
					if _, err := c.Next(buf); err == io.EOF {
						break
					}
				}
			}
		})
	}
}
