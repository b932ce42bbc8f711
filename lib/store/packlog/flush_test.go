package packlog_test

import (
	"bytes"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"hc/lib/store/packlog"
)

// syncCounter is the real file system, and counts syncs by the name of the file.
type syncCounter struct {
	packlog.FS
	mu     sync.Mutex
	syncs  map[string]int
	paused chan struct{} // a sync of the format file waits until it is closed; nil: it does not
	ended  atomic.Bool   // such a sync has ended
}

type countedFile struct {
	packlog.File
	name string
	of   *syncCounter
}

func (c *syncCounter) OpenFile(name string, flag int, perm fs.FileMode) (packlog.File, error) {
	file, err := c.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return countedFile{file, filepath.Base(name), c}, nil
}

func (f countedFile) Sync() error {
	f.of.mu.Lock()
	f.of.syncs[f.name]++
	paused := f.of.paused
	f.of.mu.Unlock()
	if paused != nil && f.name == "format" {
		<-paused
		defer f.of.ended.Store(true)
	}
	return f.File.Sync()
}

func (c *syncCounter) count(of func(name string) bool) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, syncs := range c.syncs {
		if of(name) {
			n += syncs
		}
	}
	return n
}

func isFormat(name string) bool { return name == "format" }
func isPack(name string) bool   { return strings.HasSuffix(name, ".pack") }

func begin(t *testing.T, log *packlog.Log) *packlog.Append {
	t.Helper()
	a, err := log.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// writeMiB writes blocks of 1 MiB, a batch each.
func writeMiB(t *testing.T, a *packlog.Append, blocks int) {
	t.Helper()
	block := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for range blocks {
		if _, err := a.Write(t.Context(), packlog.Record{Kind: packlog.KindRun, Payload: block}); err != nil {
			t.Fatal(err)
		}
	}
}

// A long append has the disk's cache flushed on the way, without a sync of its pack.
func TestLongAppendFlushesTheDisk(t *testing.T) {
	counter := &syncCounter{FS: packlog.OS(), syncs: map[string]int{}}
	log := open(t, t.TempDir(), packlog.Options{FS: counter, Create: true})
	log.SetFlushEvery(16 << 20)
	a := begin(t, log)
	before, packs := counter.count(isFormat), counter.count(isPack)
	writeMiB(t, a, 12)
	log.WaitFlushed()
	if n := counter.count(isFormat) - before; n != 0 {
		t.Errorf("12 MiB: %d flushes, want none", n)
	}
	writeMiB(t, a, 12)
	log.WaitFlushed()
	if n := counter.count(isFormat) - before; n != 1 {
		t.Errorf("24 MiB: %d flushes, want 1", n)
	}
	if n := counter.count(isPack) - packs; n != 0 {
		t.Errorf("the pack was synced %d times before the commit", n)
	}
}

// While one flush is under way no other begins, and only Close waits for it.
func TestFlushesDoNotHoldUpWrites(t *testing.T) {
	counter := &syncCounter{FS: packlog.OS(), syncs: map[string]int{}}
	log := open(t, t.TempDir(), packlog.Options{FS: counter, Create: true})
	log.SetFlushEvery(16 << 20)
	a := begin(t, log)
	counter.mu.Lock()
	paused := make(chan struct{})
	counter.paused = paused
	counter.mu.Unlock()
	before := counter.count(isFormat)
	writeMiB(t, a, 80)
	closed := make(chan error, 1)
	go func() { closed <- log.Close() }()
	select {
	case err := <-closed:
		t.Fatalf("closed during a flush: %v", err)
	default:
	}
	close(paused)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if !counter.ended.Load() {
		t.Error("closed before the flush had ended")
	}
	if n := counter.count(isFormat) - before; n != 1 {
		t.Errorf("%d flushes at once, want 1", n)
	}
}
