package table

import (
	"sync"
	"sync/atomic"
)

// frameCost is the memory in bytes that one cached page takes: the page, its frame, its entry in the map.
const frameCost = pageSize + 160

// A Cache holds the most recently used pages of any number of tables, and the filters of tables that are asked often.
// Its memory is bounded and reused, so look-ups make no garbage. It is safe for concurrent use.
type Cache struct {
	tables     atomic.Uint64 // tables opened so far: their numbers in the keys
	shards     []cacheShard
	filterRoom atomic.Int64 // bytes of filters that may still be held
}

// cacheShards is how many locks share the pages of a cache that is large enough.
const cacheShards = 8

// NewCache returns a cache of up to that many bytes of pages, but at least 16 pages, and up to that many bytes of
// filters.
func NewCache(pages, filters int64) *Cache {
	frames := max(int(pages/frameCost), 16)
	shards := 1
	if frames >= 16*cacheShards {
		shards = cacheShards
	}
	c := &Cache{shards: make([]cacheShard, shards)}
	c.filterRoom.Store(filters)
	for i := range c.shards {
		c.shards[i].init(frames / shards)
	}
	return c
}

// pageKey names a page in a cache.
type pageKey struct {
	table  uint64 // its number in the cache
	number uint64 // of the page in the table
}

func (c *Cache) shard(key pageKey) *cacheShard {
	// Fibonacci hashing: neighbours go to different shards.
	mixed := (key.number + key.table<<40) * 0x9E3779B97F4A7C15
	return &c.shards[mixed>>32%uint64(len(c.shards))]
}

// frame is room for one page. While it is pinned (pins > 0), page is read and nobody writes it.
type frame struct {
	key        pageKey
	pins       atomic.Int32 // raised under the shard's lock only, so that a holder of the lock that sees 0 owns the frame
	prev, next *frame       // in the shard's list; nil if it is in none
	page       [pageSize]byte
}

// release unpins a frame; it may be nil.
func (f *frame) release() {
	if f != nil {
		f.pins.Add(-1)
	}
}

// cacheShard is a part of a cache with its own lock.
type cacheShard struct {
	mu     sync.Mutex
	frames map[pageKey]*frame // guarded by mu
	used   frame              // guarded by mu; head of the ring of frames, most recently used first
	room   int                // guarded by mu; frames that may still be made
	free   []*frame           // guarded by mu; allocated, and empty
}

func (s *cacheShard) init(frames int) {
	s.frames = make(map[pageKey]*frame)
	s.used.prev, s.used.next = &s.used, &s.used
	s.room = frames
}

// get returns the frame that has the page, pinned, or nil.
func (s *cacheShard) get(key pageKey) *frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.frames[key]
	if f == nil {
		return nil
	}
	f.pins.Add(1)
	if s.used.next != f {
		s.unlink(f)
		s.link(f)
	}
	return f
}

// reserve returns a frame to read a page into, pinned and in no list: a new one, or the least recently used one.
func (s *cacheShard) reserve() *frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.take()
	f.pins.Store(1)
	return f
}

func (s *cacheShard) take() *frame {
	if n := len(s.free); n > 0 {
		f := s.free[n-1]
		s.free = s.free[:n-1]
		return f
	}
	if s.room > 0 {
		s.room--
		return new(frame)
	}
	for f := s.used.prev; f != &s.used; f = f.prev {
		if f.pins.Load() == 0 {
			delete(s.frames, f.key)
			s.unlink(f)
			return f
		}
	}
	// All pages are in use just now. Make one more, which put and discard do not keep.
	s.room--
	return new(frame)
}

// put files a reserved and filled frame under key, and returns it, or another reader's frame that was there first.
func (s *cacheShard) put(key pageKey, f *frame) *frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.frames[key]; other != nil {
		other.pins.Add(1)
		f.release()
		s.discard(f)
		return other
	}
	if s.room < 0 {
		s.room++
		return f
	}
	f.key = key
	s.frames[key] = f
	s.link(f)
	return f
}

// give takes back a reserved frame whose page could not be read.
func (s *cacheShard) give(f *frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.release()
	s.discard(f)
}

// drop forgets the pages of a table.
func (s *cacheShard) drop(table uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, f := range s.frames {
		if key.table == table {
			delete(s.frames, key)
			s.unlink(f)
			s.discard(f)
		}
	}
}

// discard makes a frame that is in no list free, or leaves it to the garbage collector if there are too many or it is
// in use.
func (s *cacheShard) discard(f *frame) {
	if s.room < 0 || f.pins.Load() > 0 {
		s.room++
		return
	}
	s.free = append(s.free, f)
}

func (s *cacheShard) link(f *frame) {
	f.prev, f.next = &s.used, s.used.next
	f.prev.next, f.next.prev = f, f
}

func (s *cacheShard) unlink(f *frame) {
	f.prev.next, f.next.prev = f.next, f.prev
	f.prev, f.next = nil, nil
}
