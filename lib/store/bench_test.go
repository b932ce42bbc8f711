package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
)

// text returns n bytes that compress roughly as well as source code.
func text(r *rand.Rand, n int) []byte {
	words := make([]string, 2000)
	for i := range words {
		words[i] = strconv.FormatUint(1<<63|r.Uint64(), 36)[:3+r.IntN(9)]
	}
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(words[min(r.IntN(2000), r.IntN(2000))])
		b.WriteByte(" \n\t"[min(r.IntN(3), r.IntN(3))])
	}
	return []byte(b.String()[:n])
}

func BenchmarkAppend(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{100, 4 << 10, 64 << 10, 1 << 20} {
		for _, short := range []bool{false, true} {
			if short != (size == 100) {
				continue
			}
			b.Run(fmt.Sprintf("block=%d", size), func(b *testing.B) {
				s := openTest(b, b.TempDir(), Options{})
				data := text(r, 16<<20)
				tx, err := s.Begin(b.Context(), newModel(1).key, TxOptions{Short: short, Durable: true})
				if err != nil {
					b.Fatal(err)
				}
				roots, _ := merkle.NewRoots(0, nil)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					at := i * size % (len(data) - size)
					block := data[at : at+size]
					block[0] = byte(i)
					block[1] = byte(i >> 8)
					block[2] = byte(i >> 16)
					if short {
						block[size-1] = '\n'
					}
					leaf := hash.Leaf(block)
					roots.Append(merkle.LeafNodeHash(uint64(i), uint64(size), leaf), nil)
					if err := tx.Append(b.Context(), leaf, block); err != nil {
						b.Fatal(err)
					}
				}
				if err := tx.Commit(b.Context(), func() (Head, error) {
					return Head{Length: roots.Length(), ByteLength: roots.ByteLength(), TreeHash: roots.TreeHash()}, nil
				}); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(resident())/(1<<20), "MiB-resident")
			})
		}
	}
}

// resident returns the process's resident memory in bytes, 0 if unknown.
func resident() uint64 {
	if runtime.GOOS != "linux" {
		return 0
	}
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(raw))
	pages, _ := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize())
}

// BenchmarkCommit makes one durable commit of one line after another, to a growing store.
func BenchmarkCommit(b *testing.B) {
	s := openTest(b, b.TempDir(), Options{})
	c := newCommitting(1)
	b.ResetTimer()
	for range b.N {
		if err := c.commit(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommitEight makes eight commits at once, to eight cores: they share syncs.
func BenchmarkCommitEight(b *testing.B) {
	const writers = 8
	s := openTest(b, b.TempDir(), Options{})
	var group sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	for core := range byte(writers) {
		group.Go(func() {
			for c := newCommitting(core + 1); left.Add(-1) >= 0; {
				if err := c.commit(b.Context(), s); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

// committing is a core that short lines are appended to, one by one.
type committing struct {
	core  *modelCore
	roots *merkle.Roots
}

func newCommitting(core byte) *committing {
	roots, _ := merkle.NewRoots(0, nil)
	return &committing{core: newModel(core), roots: roots}
}

func (c *committing) commit(ctx context.Context, s *Store) error {
	line := []byte("a line of an event log that somebody follows\n")
	leaf := hash.Leaf(line)
	tx, err := s.Begin(ctx, c.core.key, TxOptions{Durable: true, Short: true})
	if err != nil {
		return err
	}
	defer tx.Abort()
	if err := tx.Append(ctx, leaf, line); err != nil {
		return err
	}
	c.roots.Append(merkle.LeafNodeHash(c.roots.Length(), uint64(len(line)), leaf), nil)
	return tx.Commit(ctx, func() (Head, error) {
		return Head{Length: c.roots.Length(), ByteLength: c.roots.ByteLength(), TreeHash: c.roots.TreeHash(), Signature: make([]byte, 100)}, nil
	})
}

// BenchmarkSync measures the machine: it writes as much as a commit does at the end of a file, and syncs it.
func BenchmarkSync(b *testing.B) {
	raw := newRawLog(b)
	b.ResetTimer()
	for range b.N {
		if err := raw.commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommitBesideSync does both in turn, so that whatever else the machine does slows both down. It reports the
// medians, the means, and the ratio of the commits' times to the machine's own by both.
func BenchmarkCommitBesideSync(b *testing.B) {
	s, c, raw := openTest(b, b.TempDir(), Options{}), newCommitting(1), newRawLog(b)
	var commits, syncs []time.Duration
	b.ResetTimer()
	for range b.N {
		from := time.Now()
		if err := c.commit(b.Context(), s); err != nil {
			b.Fatal(err)
		}
		between := time.Now()
		if err := raw.commit(); err != nil {
			b.Fatal(err)
		}
		commits, syncs = append(commits, between.Sub(from)), append(syncs, time.Since(between))
	}
	commit, allCommits := medianAndSum(commits)
	sync, allSyncs := medianAndSum(syncs)
	b.ReportMetric(float64(commit), "ns/commit")
	b.ReportMetric(float64(sync), "ns/sync")
	b.ReportMetric(float64(allCommits)/float64(b.N), "ns/commit-in-all")
	b.ReportMetric(float64(allSyncs)/float64(b.N), "ns/sync-in-all")
	b.ReportMetric(float64(sync)/float64(commit), "×sync")
	b.ReportMetric(float64(allSyncs)/float64(allCommits), "×sync-in-all")
}

func medianAndSum(times []time.Duration) (median, sum time.Duration) {
	for _, d := range times {
		sum += d
	}
	slices.Sort(times)
	return times[len(times)/2], sum
}

// rawLog is a file that grows by as much as a commit writes.
type rawLog struct {
	file packlog.File
	data []byte
	size int64
}

func newRawLog(b *testing.B) *rawLog {
	file, err := packlog.OS().OpenFile(filepath.Join(b.TempDir(), "raw"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { file.Close() })
	return &rawLog{file: file, data: make([]byte, 600)}
}

func (r *rawLog) commit() error {
	if _, err := r.file.WriteAt(r.data, r.size); err != nil {
		return err
	}
	r.size += int64(len(r.data))
	return r.file.Sync()
}
