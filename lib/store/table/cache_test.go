package table

import "testing"

// fillPage puts a page into a shard like a reader, and releases it.
func fillPage(s *cacheShard, key pageKey) {
	s.put(key, s.reserve()).release()
}

// frames counts the frames that a shard has allocated and still knows.
func frames(s *cacheShard) int { return len(s.frames) + len(s.free) }

func TestCacheKeepsTheLastUsed(t *testing.T) {
	s := &NewCache(0, 0).shards[0]
	for n := range uint64(16) {
		fillPage(s, pageKey{1, n})
	}
	s.get(pageKey{1, 0}).release()
	fillPage(s, pageKey{1, 16})
	if s.get(pageKey{1, 1}) != nil {
		t.Error("the page that was not used for longest is still there")
	}
	for _, n := range []uint64{0, 2, 15, 16} {
		f := s.get(pageKey{1, n})
		if f == nil || f.key != (pageKey{1, n}) {
			t.Fatalf("page %d is not there", n)
		}
		f.release()
	}
	if frames(s) != 16 {
		t.Errorf("%d frames for 16 pages", frames(s))
	}
}

// A page in use is not overwritten, and a cache whose pages are all in use continues to work.
func TestCachePinned(t *testing.T) {
	s := &NewCache(0, 0).shards[0]
	var pinned []*frame
	for n := range uint64(40) {
		f := s.put(pageKey{1, n}, s.reserve())
		f.page[0] = byte(n)
		pinned = append(pinned, f)
	}
	for n, f := range pinned {
		if f.page[0] != byte(n) {
			t.Fatalf("page %d was written over", n)
		}
		f.release()
	}
	if frames(s) != 16 || s.room != 0 {
		t.Errorf("%d frames kept, room for %d, want 16 and none", frames(s), s.room)
	}
	fillPage(s, pageKey{2, 0})
	if s.get(pageKey{2, 0}) == nil {
		t.Error("nothing is cached any more")
	}
}

// Two readers of one missing page: the second finds the first one's.
func TestCacheRace(t *testing.T) {
	s := &NewCache(0, 0).shards[0]
	first, second := s.reserve(), s.reserve()
	f := s.put(pageKey{1, 1}, first)
	if g := s.put(pageKey{1, 1}, second); g != f || f.pins.Load() != 2 {
		t.Errorf("page has %d readers in another frame", f.pins.Load())
	}
	if len(s.free) != 1 || s.free[0].pins.Load() != 0 {
		t.Error("the second frame is not free again")
	}
}

func TestCacheDrop(t *testing.T) {
	s := &NewCache(0, 0).shards[0]
	for n := range uint64(8) {
		fillPage(s, pageKey{1, n})
		fillPage(s, pageKey{2, n})
	}
	read := s.get(pageKey{1, 3})
	s.drop(1)
	if len(s.frames) != 8 || len(s.free) != 7 || s.room != 1 {
		t.Errorf("%d pages cached, %d frames free, room for %d", len(s.frames), len(s.free), s.room)
	}
	if s.get(pageKey{1, 0}) != nil {
		t.Error("a page of a closed table is there")
	}
	read.release()
	for n := range uint64(20) {
		fillPage(s, pageKey{3, n})
	}
	if frames(s) != 16 {
		t.Errorf("%d frames for 16 pages", frames(s))
	}
}

// A cache is as large as it was asked to be.
func TestCacheSize(t *testing.T) {
	for _, test := range []struct {
		bytes  int64
		frames int
		shards int
	}{{-1, 16, 1}, {0, 16, 1}, {400 << 10, 96, 1}, {1 << 20, 240, 8}, {16 << 20, 3936, 8}} {
		c := NewCache(test.bytes, 0)
		room := 0
		for i := range c.shards {
			room += c.shards[i].room
		}
		if room != test.frames || len(c.shards) != test.shards {
			t.Errorf("NewCache(%d, 0): %d pages in %d shards, want %d in %d", test.bytes, room, len(c.shards), test.frames, test.shards)
		}
	}
}
