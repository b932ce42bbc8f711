//go:build unix

package replicate

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"hc/lib/keys"
	"hc/lib/store"
)

// BenchmarkScale clones logs of small blocks, from 10,000 of them up to HC_SCALE, ten times as many at a time, over loopback TCP,
// into an empty store. Both ends are in this process. Of the small ones several are cloned, so that as many blocks come in all.
func BenchmarkScale(b *testing.B) {
	most, err := strconv.Atoi(os.Getenv("HC_SCALE"))
	if err != nil || most < 10_000 {
		b.Skip("set HC_SCALE to a number of blocks, such as 1000000; it takes half a minute and 1 GB for those, in TMPDIR")
	}
	for _, c := range []struct {
		name  string
		bytes int
	}{{"lines", 10}, {"blocks", 1000}} {
		for blocks := 10_000; blocks <= most; blocks *= 10 {
			b.Run(fmt.Sprintf("%s/clone=%d", c.name, blocks), func(b *testing.B) { benchmarkClone(b, blocks, c.bytes, min(most/blocks, 10)) })
		}
	}
}

func benchmarkClone(b *testing.B, blocks, bytes, times int) {
	key, server := serveLog(b, blocks, bytes)
	var walls, processors []time.Duration
	for range b.N * times {
		dir := b.TempDir()
		into, err := store.Open(b.Context(), dir+"/.hc", store.Options{Create: true})
		if err != nil {
			b.Fatal(err)
		}
		from, used := time.Now(), processorTime(b)
		if err := WriteProof(b.Context(), io.Discard, keys.Ref{Key: key}, PipeOptions{Store: into, Peers: []Dialer{server}}); err != nil {
			b.Fatal(err)
		}
		if err := into.Close(); err != nil {
			b.Fatal(err)
		}
		walls, processors = append(walls, time.Since(from)), append(processors, processorTime(b)-used)
		if err := os.RemoveAll(dir); err != nil { // or the next one would pay for the disk that is still to take this one's bytes
			b.Fatal(err)
		}
	}
	perBlock := func(all []time.Duration) float64 {
		slices.Sort(all)
		return float64(all[len(all)/2].Nanoseconds()) / float64(blocks)
	}
	b.ReportMetric(perBlock(walls), "ns/block")
	b.ReportMetric(perBlock(processors), "ns/block-cpu")
}

// processorTime is how long this process has had a processor: what a busy machine does not change much.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
