package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// BenchmarkScale makes a store of HC_SCALE objects (about 10M) in 1,000 cores, and reports how long it takes to open,
// and how fast it takes in more compared with an empty one, the two in turn: -benchtime 5x is five turns.
func BenchmarkScale(b *testing.B) {
	const cores = 1000
	count, err := strconv.ParseUint(os.Getenv("HC_SCALE"), 10, 64)
	if err != nil || count < cores {
		b.Skip("set HC_SCALE to a number of objects, such as 10000000; it takes some minutes and 2 GB for those, in TMPDIR")
	}
	dir := filepath.Join(b.TempDir(), "large")
	for core := range uint64(cores) {
		next := ingest{core: core, from: count / cores * core, blocks: count / cores, size: 8}
		if err := next.into(b.Context(), dir); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("open", func(b *testing.B) { benchmarkOpen(b, dir, cores) })
	for i, size := range []int{64 << 10, 4 << 10, 8} {
		b.Run(fmt.Sprintf("ingest/block=%d", size), func(b *testing.B) { benchmarkIngest(b, dir, uint64(2000+100*i), size) })
	}
	b.Run("open/tail", func(b *testing.B) { // as long after a checkpoint as possible
		tail := ingest{core: 3000, from: 3 << 50, blocks: checkpointAfter - 1, size: 8}
		if err := errors.Join(applyAll(b.Context(), dir), tail.into(b.Context(), dir)); err != nil {
			b.Fatal(err)
		}
		benchmarkOpen(b, dir, cores)
	})
}

// benchmarkOpen opens the store like a process that reads one block of one core, another one each time.
func benchmarkOpen(b *testing.B, dir string, cores uint64) {
	var all []time.Duration
	for i := 0; b.Loop(); i++ {
		runtime.GC() // collect what the one before held
		from := time.Now()
		if err := readOne(b.Context(), dir, coreOf(uint64(i)*7919%cores)); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(from))
	}
	slices.Sort(all)
	b.ReportMetric(all[len(all)/2].Seconds()*1e3, "ms/open")
	b.ReportMetric(all[len(all)-1].Seconds()*1e3, "ms/slowest")
}

func readOne(ctx context.Context, dir string, core keys.Key) error {
	s, err := Open(ctx, dir, Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer s.Close()
	view, err := s.View(ctx, core, false)
	if err != nil {
		return err
	}
	_, err = view.Block(ctx, view.Head().Length/2)
	return err
}

// benchmarkIngest takes the same blocks into the store and into an empty one, in turn.
func benchmarkIngest(b *testing.B, dir string, core uint64, size int) {
	var large, empty, largeCPU, emptyCPU []time.Duration
	blocks := min(uint64(256<<20/size), 200_000)
	for ; b.Loop(); core++ {
		next := ingest{core: core, from: core << 40, blocks: blocks, size: size}
		for _, side := range []struct {
			dir       string
			wall, cpu *[]time.Duration
		}{{dir, &large, &largeCPU}, {filepath.Join(b.TempDir(), strconv.FormatUint(core, 10)), &empty, &emptyCPU}} {
			runtime.GC()
			from, used := time.Now(), cpuTime(b)
			if err := next.into(b.Context(), side.dir); err != nil {
				b.Fatal(err)
			}
			*side.wall, *side.cpu = append(*side.wall, time.Since(from)), append(*side.cpu, cpuTime(b)-used)
		}
	}
	report := func(name string, into, fresh []time.Duration) {
		one, all := medianAndSum(into)
		freshOne, freshAll := medianAndSum(fresh)
		b.ReportMetric(float64(one.Nanoseconds())/1e3/float64(blocks), "µs/block"+name)
		b.ReportMetric(float64(freshOne)/float64(one), "×empty"+name)
		b.ReportMetric(float64(freshAll)/float64(all), "×empty-in-all"+name)
	}
	report("", large, empty)
	report("-cpu", largeCPU, emptyCPU)
}

// ingest is one append to a new core.
type ingest struct {
	core   uint64
	from   uint64 // the content of its blocks: two that differ in it have no block in common
	blocks uint64
	size   int // bytes
}

func coreOf(n uint64) (key keys.Key) {
	binary.LittleEndian.PutUint64(key[:], n+1)
	return keys.Key(hash.Sum(key[:]))
}

// into makes the append in a store that it opens and closes.
func (g ingest) into(ctx context.Context, dir string) error {
	s, err := Open(ctx, dir, Options{Create: true})
	if err != nil {
		return err
	}
	err = g.append(ctx, s)
	return errors.Join(err, s.CheckpointError(), s.Close())
}

func (g ingest) append(ctx context.Context, s *Store) error {
	tx, err := s.Begin(ctx, coreOf(g.core), TxOptions{Durable: true})
	if err != nil {
		return err
	}
	defer tx.Abort()
	roots, err := merkle.NewRoots(0, nil)
	if err != nil {
		return err
	}
	noise := make([]byte, 2<<20) // no two blocks of a batch share any of it
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	batch := min(len(noise)/g.size, 16<<10) // as an append of a stream does
	for from := uint64(0); from < g.blocks; from += uint64(batch) {
		var leaves []hash.Digest
		var blocks [][]byte
		for i := from; i < min(from+uint64(batch), g.blocks); i++ {
			data := noise[len(blocks)*g.size:][:g.size]
			binary.LittleEndian.PutUint64(data, g.from+i)
			blocks, leaves = append(blocks, data), append(leaves, hash.Leaf(data))
			roots.Append(merkle.LeafNodeHash(i, uint64(g.size), leaves[len(leaves)-1]), nil)
		}
		if _, err := tx.AppendAll(ctx, leaves, blocks, nil); err != nil {
			return err
		}
	}
	return tx.Commit(ctx, func() (Head, error) {
		return Head{Length: g.blocks, ByteLength: roots.ByteLength(), TreeHash: roots.TreeHash(), Signature: make([]byte, 64)}, nil
	})
}

// applyAll makes a checkpoint of everything.
func applyAll(ctx context.Context, dir string) error {
	s, err := Open(ctx, dir, Options{})
	if err != nil {
		return err
	}
	return errors.Join(s.Checkpoint(ctx), s.Close())
}
