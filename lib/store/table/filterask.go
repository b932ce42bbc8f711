package table

import (
	"context"
	"sync"
	"sync/atomic"
)

// filterAsked is the number of blocks per look-up at which a filter becomes worth reading into memory: reading a block
// along with all others costs less than by itself, and most filters are asked little.
const filterAsked = 16

// filterState is the part of a table's filter that is in memory.
type filterState struct {
	asked atomic.Uint64          // keys looked up before the filter was held
	held  atomic.Pointer[[]byte] // all its blocks, which were checked; nil: blocks are read from the file
	mu    sync.Mutex             // for changing held
	gone  bool                   // guarded by mu; it must not be held again
}

// holdFilter counts look-ups, and returns the filter's blocks if they are held. They are held once the filter has been
// asked often, if the cache has room for them; no other table's filter makes room for it.
func (t *Table) holdFilter(ctx context.Context, keys int) ([]byte, error) {
	f := &t.filter
	if held := f.held.Load(); held != nil {
		return *held, nil
	}
	size := int64(t.header.filter) * filterBlock
	if f.asked.Add(uint64(keys)) < t.header.filter/filterAsked || t.cache.filterRoom.Load() < size || !f.mu.TryLock() {
		return nil, nil
	}
	defer f.mu.Unlock()
	if held := f.held.Load(); held != nil || f.gone {
		return nil, nil
	}
	if t.cache.filterRoom.Add(-size) < 0 {
		t.cache.filterRoom.Add(size)
		return nil, nil
	}
	blocks, err := t.readFilter(ctx, 0, t.header.filter, make([]byte, size))
	if err != nil {
		t.cache.filterRoom.Add(size)
		return nil, err
	}
	f.held.Store(&blocks)
	return blocks, nil
}

// readFilter reads blocks into b, and checks the checksums of all.
func (t *Table) readFilter(ctx context.Context, first, count uint64, b []byte) ([]byte, error) {
	b = b[:count*filterBlock]
	for done := 0; done < len(b); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := b[done:min(done+filterBuffer, len(b))]
		if err := readFull(t.file, part, pageSize+int64(first)*filterBlock+int64(done)); err != nil {
			return nil, err
		}
		done += len(part)
	}
	for i := range count {
		if !t.sealedFilter((*[filterBlock]byte)(b[i*filterBlock:]), first+i) {
			return nil, badFilterBlock(first + i)
		}
	}
	return b, nil
}

// Retire gives back the memory that the table's filter takes in the cache, for good. It is for a table that others have
// replaced, and that only earlier readers still read.
func (t *Table) Retire() {
	f := &t.filter
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	if f.held.Swap(nil) != nil {
		t.cache.filterRoom.Add(int64(t.header.filter) * filterBlock)
	}
}

var filterBlocks = sync.Pool{New: func() any { return new([filterBlock]byte) }}

// mayHave reports whether the filter passes a key; it does if there is no filter.
func (t *Table) mayHave(ctx context.Context, key []byte) (bool, error) {
	if t.header.filter == 0 {
		return true, nil
	}
	number := filterPlace(key, t.header.filter)
	mark, step := marksOf(key)
	held, err := t.holdFilter(ctx, 1)
	if err != nil {
		return false, err
	}
	if held != nil {
		return hasMarks((*[filterBlock]byte)(held[number*filterBlock:]), mark, step) == 1, nil
	}
	b := filterBlocks.Get().(*[filterBlock]byte)
	defer filterBlocks.Put(b)
	if _, err := t.readFilter(ctx, number, 1, b[:]); err != nil {
		return false, err
	}
	return hasMarks(b, mark, step) == 1, nil
}
