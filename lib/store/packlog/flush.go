package packlog

import (
	"os"
	"sync"
)

// flushEvery is how many bytes are given to the disk between two flushes of its cache.
const flushEvery = 64 << 20

// diskCache has the disk's write cache flushed while a long append is being written. The cache may be large, above all that
// of a virtual machine's disk, which is its host's memory, and may be written out only when it is flushed: then the sync at
// the append's end would wait for almost all of it.
//
// A sync of any file flushes the cache, even if the file has not changed, as the format file has not. The pack itself must
// not be synced meanwhile (FORMAT.md, Writing), and a sync of it would consume an error that a later one must return.
type diskCache struct {
	fs   FS
	path string // of a file that does not change
	size uint64 // flushEvery

	running sync.WaitGroup
	mu      sync.Mutex // guards the fields below
	given   uint64     // bytes since the last flush began
	busy    bool       // a flush is under way
}

// give notes bytes for which writeback has been started, and begins a flush if it is time for one and none is under way. It
// does not wait.
func (c *diskCache) give(bytes uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.given += bytes
	if c.given < c.size || c.busy {
		return
	}
	c.given, c.busy = 0, true
	c.running.Go(func() {
		c.flush()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.busy = false
	})
}

// flush has no error: nothing depends on it, and whoever needs durable bytes syncs their own file.
func (c *diskCache) flush() {
	file, err := c.fs.OpenFile(c.path, os.O_RDONLY, 0)
	if err != nil {
		return
	}
	_ = file.Sync()
	_ = file.Close()
}

// wait waits until no flush is under way.
func (c *diskCache) wait() { c.running.Wait() }
