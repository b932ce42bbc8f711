package hyperbee

import (
	"container/list"
	"sync"
)

// A cache holds the most recently used blocks, up to cacheBytes. It is safe for concurrent use.
type cache struct {
	mu    sync.Mutex
	items map[uint64]*list.Element // of *block, by seq
	order list.List                // most recently used first
	bytes int
}

const (
	cacheBytes = 8 << 20
	cacheBlock = 256 << 10 // larger blocks are not held: they would push out all others
)

func newCache() *cache { return &cache{items: make(map[uint64]*list.Element)} }

func (c *cache) get(seq uint64) *block {
	c.mu.Lock()
	defer c.mu.Unlock()
	item := c.items[seq]
	if item == nil {
		return nil
	}
	c.order.MoveToFront(item)
	return item.Value.(*block)
}

func (c *cache) put(b *block) {
	if b.cost() > cacheBlock {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items[b.seq] != nil {
		return
	}
	c.items[b.seq] = c.order.PushFront(b)
	c.bytes += b.cost()
	for c.bytes > cacheBytes {
		last := c.order.Remove(c.order.Back()).(*block)
		delete(c.items, last.seq)
		c.bytes -= last.cost()
	}
}

// cost is roughly how much memory a block takes.
func (b *block) cost() int { return 256 + b.size + 8*len(b.levels) }
