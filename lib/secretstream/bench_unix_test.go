//go:build unix

package secretstream

import (
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// BenchmarkCipher seals and opens a batch of messages beside XChaCha20-Poly1305 of golang.org/x/crypto, by turns, both in
// place, and tells of the processor's time in the shortest round of each: x-aead is how many times faster it is.
func BenchmarkCipher(b *testing.B) {
	for _, size := range []int{100, 1 << 10, 1<<10 + 5, 4 << 10, 4<<10 + 5, 64 << 10, 64<<10 + 5} {
		for _, p := range append([]path{plain}, fast...) {
			for _, way := range []string{"seal", "open"} {
				b.Run(fmt.Sprintf("%s/size=%d/path=%v", way, size, p), func(b *testing.B) { benchmarkCipher(b, p, way, size) })
			}
		}
	}
}

func benchmarkCipher(b *testing.B, p path, way string, size int) {
	key, nonce := make([]byte, 32), make([]byte, 24)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		b.Fatal(err)
	}
	batch := make([][]byte, max(1, 512<<10/size))
	for i := range batch {
		batch[i] = make([]byte, blockSize+size+macSize)
	}
	out, in := sealerWith(key, nonce, p), sealerWith(key, nonce, p)
	best := map[string]time.Duration{}
	round := func(name string, do func(buf []byte) error) {
		start := processorTime()
		for _, buf := range batch {
			if err := do(buf); err != nil {
				b.Fatal(err)
			}
		}
		took := processorTime() - start
		if before, ok := best[name]; ok {
			took = min(took, before)
		}
		best[name] = took
	}
	for b.Loop() {
		round("seal", func(buf []byte) error { out.seal(buf, tagMessage); return nil })
		round("open", func(buf []byte) error { _, err := in.open(buf); return err })
		round("aead seal", func(buf []byte) error { aead.Seal(buf[:0], nonce, buf[:size], nil); return nil })
		round("aead open", func(buf []byte) error { _, err := aead.Open(buf[:0], nonce, buf[:size+macSize], nil); return err })
	}
	took := math.Max(1, float64(best[way]))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(size*len(batch))*1e3/took, "MB/s")
	b.ReportMetric(float64(best["aead "+way])/took, "x-aead")
}

func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
