package stream

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

func BenchmarkRead(b *testing.B) {
	for _, size := range []int{100, 4 << 10, 64 << 10, 256 << 10} {
		var out bytes.Buffer
		w := NewWriter(&out)
		block := bytes.Repeat([]byte{'x'}, size)
		for range 32 << 20 / size {
			check(b, w.Chunk(block))
		}
		check(b, w.Close())
		b.Run(fmt.Sprintf("block=%d", size), func(b *testing.B) {
			b.SetBytes(int64(out.Len()))
			b.ReportAllocs()
			var batch [][]byte
			for range b.N {
				r := NewReader(bytes.NewReader(out.Bytes()))
				var err error
				for err == nil {
					batch, _, err = r.NextBatch(batch[:0], 1<<20)
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{100, 4 << 10, 64 << 10, 256 << 10} {
		block := bytes.Repeat([]byte{'x'}, size)
		b.Run(fmt.Sprintf("block=%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			w := NewWriter(io.Discard)
			for range b.N {
				if err := w.Chunk(block); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
