package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hc/lib/hash"
	"hc/lib/merkle"
)

// TestScale makes a store of HC_SCALE objects (about 10M) from synthetic leaves, and reports what it costs to build, to
// open and to look up. It checks that memory is flat: no more for the second half than for the first.
func TestScale(t *testing.T) {
	count, err := strconv.ParseUint(os.Getenv("HC_SCALE"), 10, 64)
	if err != nil || count < 1000 {
		t.Skip("set HC_SCALE to a number of objects, such as 10000000; it takes 3 minutes and 2 GB for those, in TMPDIR")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	dir := t.TempDir()
	roots, err := merkle.NewRoots(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	var peaks []int
	began := time.Now()
	for part := range uint64(10) {
		resetPeak(t)
		from, used := time.Now(), cpuTime(t)
		scaleAppend(t, dir, roots, count*(part+1)/10)
		peaks = append(peaks, peakMiB(t))
		each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(count/10) }
		t.Logf("%d objects: %.2f µs each, %.2f µs of them on a processor, peak %d MiB", roots.Length(), each(time.Since(from)), each(cpuTime(t)-used), peaks[part])
	}
	t.Logf("built in %v, %.1f bytes an object on disk", time.Since(began).Round(time.Second), float64(diskUse(t, dir))/float64(count))
	if first, last := max(peaks[0], peaks[1]), peaks[9]; last > 2*first+16 {
		t.Errorf("memory grows: %d MiB at the beginning, %d at the end", first, last)
	}

	from := time.Now()
	s := openTest(t, dir, Options{ReadOnly: true})
	view, err := s.View(t.Context(), newModel(1).key, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("opened in %v", time.Since(from))
	resetPeak(t)
	for _, ask := range []struct {
		name    string
		from    uint64
		present bool
	}{{"here", 0, true}, {"not here", 1 << 40, false}} {
		random := rand.New(rand.NewPCG(1, 2))
		const asked = 200_000
		from, used := time.Now(), cpuTime(t)
		for range asked {
			_, ok, err := view.state.lookUp(t.Context(), s.log, syntheticLeaf(ask.from+random.Uint64N(count)))
			if err != nil || ok != ask.present {
				t.Fatalf("%s: %v, %v", ask.name, ok, err)
			}
		}
		t.Logf("Has of what is %s: %.0f a second, %v of a processor each", ask.name, asked/time.Since(from).Seconds(), (cpuTime(t)-used)/asked)
	}
	random := rand.New(rand.NewPCG(3, 4))
	const proved = 10_000
	from = time.Now()
	for range proved {
		block := random.Uint64N(count)
		if _, err := merkle.Prove(t.Context(), merkle.Request{Block: &merkle.BlockRequest{Index: block, Nodes: levelsAbove(block, count)}},
			merkle.HeadInfo{Length: count, Fork: view.Head().Fork}, view); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("a proof of a block: %v; peak %d MiB", time.Since(from)/proved, peakMiB(t))
}

// One append of a tebibyte takes no more memory than a small one: it is a block of 1 MiB that the store has, a million
// times.
func TestTebibyte(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	const blocks = 1 << 20
	ctx := t.Context()
	s := openTest(t, t.TempDir(), Options{})
	m := newModel(1)
	data := bytes.Repeat([]byte("16 bytes of data"), 1<<16)
	if err := m.append(ctx, s, TxOptions{Durable: true}, data); err != nil {
		t.Fatal(err)
	}
	leaf := hash.Leaf(data)
	roots, err := merkle.NewRoots(1, []merkle.Node{merkle.LeafNodeHash(0, uint64(len(data)), leaf)})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := s.Begin(ctx, m.key, TxOptions{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Abort()
	runtime.GC()
	resetPeak(t)
	before := peakMiB(t)
	for roots.Length() < blocks {
		roots.Append(merkle.LeafNodeHash(roots.Length(), uint64(len(data)), leaf), nil)
		if err := tx.Append(ctx, leaf, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(ctx, func() (Head, error) {
		return Head{Length: blocks, ByteLength: roots.ByteLength(), TreeHash: roots.TreeHash(), Signature: make([]byte, 64)}, nil
	}); err != nil {
		t.Fatal(err)
	}
	grew := peakMiB(t) - before
	t.Logf("%d bytes in one append: memory grew by %d MiB", roots.ByteLength(), grew)
	if roots.ByteLength() != 1<<40 || grew > 96 {
		t.Errorf("%d bytes, memory grew by %d MiB", roots.ByteLength(), grew)
	}
	view, err := s.View(ctx, m.key, false)
	if err != nil {
		t.Fatal(err)
	}
	got, err := view.Block(ctx, blocks/2)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("the block in the middle: %d bytes, %v", len(got), err)
	}
}

func syntheticLeaf(i uint64) hash.Digest {
	var seed [8]byte
	binary.LittleEndian.PutUint64(seed[:], i)
	return hash.Sum(seed[:])
}

// scaleAppend grows the core to a length, in an opened and closed store.
func scaleAppend(t *testing.T, dir string, roots *merkle.Roots, length uint64) {
	t.Helper()
	ctx := context.Background()
	s, err := Open(ctx, dir, Options{Create: true}) // not openTest: nothing may refer to it afterwards
	if err != nil {
		t.Fatal(err)
	}
	tx, err := s.Begin(ctx, newModel(1).key, TxOptions{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Abort()
	for i := roots.Length(); i < length; i++ {
		var data [8]byte
		binary.LittleEndian.PutUint64(data[:], i)
		leaf := syntheticLeaf(i)
		roots.Append(merkle.LeafNodeHash(i, 8, leaf), nil)
		if err := tx.Append(ctx, leaf, data[:]); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(ctx, func() (Head, error) {
		return Head{Length: length, ByteLength: roots.ByteLength(), TreeHash: roots.TreeHash(), Signature: make([]byte, 64)}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.CheckpointError(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// levelsAbove is how many nodes a proof of a block has, given only the roots.
func levelsAbove(block, length uint64) uint64 {
	for _, root := range merkle.FullRoots(length) {
		if merkle.Contains(root, 2*block) {
			return uint64(merkle.Depth(root))
		}
	}
	return 0
}

// resetPeak makes the kernel reset the peak of resident memory.
func resetPeak(t *testing.T) {
	t.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}

// cpuTime is the processor time of the process, which a busy machine does not change much.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func peakMiB(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}

func diskUse(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}
