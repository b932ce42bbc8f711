//go:build unix

package chunk

import (
	"bytes"
	"io"
	"math"
	"math/bits"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	restic "github.com/restic/chunker"
)

// BenchmarkRabin takes turns with restic/chunker, and reports processor time in the shortest round of each: x-restic
// is how many times faster it is.
func BenchmarkRabin(b *testing.B) {
	for _, in := range benchmarkInputs(b) {
		onEachPath(func(path string) {
			b.Run("data="+in.name+"/"+path, func(b *testing.B) {
				l, _ := in.limits.Resolved()
				own := New(nil, rabinCutter(b, l), 0)
				other := restic.NewWithBoundaries(nil, restic.Pol(Polynomial), uint(l.Min), uint(l.Max))
				buf := make([]byte, l.Max)
				took := [2]time.Duration{math.MaxInt64, math.MaxInt64}
				for b.Loop() {
					took[0] = timed(took[0], func() {
						for data := range in.each {
							own.Reset(in.reader(data))
							for err := error(nil); err == nil; _, err = own.Next() {
							}
						}
					})
					took[1] = timed(took[1], func() {
						for data := range in.each {
							other.ResetWithBoundaries(in.reader(data), restic.Pol(Polynomial), uint(l.Min), uint(l.Max))
							other.SetAverageBits(bits.TrailingZeros(uint(l.Average)))
							for err := error(nil); err == nil; _, err = other.Next(buf) {
							}
						}
					})
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(len(in.data))/1e6/took[0].Seconds(), "MB/s")
				b.ReportMetric(float64(took[1])/float64(took[0]), "x-restic")
			})
		})
	}
}

// timed returns the shorter of two processor times: that of do, and that of an earlier round.
func timed(before time.Duration, do func()) time.Duration {
	start := processorTime()
	do()
	return min(before, processorTime()-start)
}

func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

type benchmarkInput struct {
	name   string
	data   []byte
	piece  int // how much of data is an input, all if 0
	reader func([]byte) io.Reader
	limits Limits
}

func (in benchmarkInput) each(yield func([]byte) bool) {
	for rest := in.data; len(rest) > 0; {
		n := len(rest)
		if in.piece > 0 {
			n = min(n, in.piece)
		}
		if !yield(rest[:n]) {
			return
		}
		rest = rest[n:]
	}
}

func benchmarkInputs(b *testing.B) []benchmarkInput {
	const size = 32 << 20
	whole := func(data []byte) io.Reader { return bytes.NewReader(data) }
	bytewise := func(data []byte) io.Reader { return iotest.OneByteReader(bytes.NewReader(data)) }
	random := randomBytes(size, 1)
	source := tarBytes(b, goSays(b, "env", "GOROOT")+"/src", 2*size)
	long := Limits{1 << 20, 512 << 10, 8 << 20} // as restic uses
	return []benchmarkInput{
		{"random", random, 0, whole, Limits{}},
		{"logs", logBytes(size), 0, whole, Limits{}},
		{"gosrc-tar", source, 0, whole, Limits{}},
		{"module-tar", tarBytes(b, goSays(b, "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys"), size), 0, whole, Limits{}},
		{"random/avg=1MiB", random, 0, whole, long},
		{"gosrc-tar/avg=1MiB", source, 0, whole, long},
		{"zeros", make([]byte, size), 0, whole, Limits{}},
		{"dense-hits", planted(random, 3000), 0, whole, Limits{}},
		{"4KiB-files", random[:size/4], 4 << 10, whole, Limits{}},
		{"20KiB-files", random[:size/4], 20 << 10, whole, Limits{}},
		{"1-byte-reads", random[:size/8], 0, bytewise, Limits{}},
	}
}
