package bitfield

import (
	"runtime"
	"testing"
)

// The longest range takes some hundred KiB, and so does a copy of it; what is taken back of it is no longer there, in the other neither.
func TestLongRangeTakesLittle(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const start = 4 * pageBlocks
	var r Remote
	r.Set(start, 1<<40, true)
	c := r.Clone()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
		t.Errorf("%d bytes for a range and its copy", got)
	}
	const end = start + maxPages*pageBlocks
	r.Set(end-10, 3, false)
	c.Set(start+10, 3, false)
	for _, block := range []uint64{start, end - 11, end - 7, end - 1} {
		if !r.Has(block) || !c.Has(block) {
			t.Errorf("block %d is not there", block)
		}
	}
	if r.Has(end-10) || !c.Has(end-10) || c.Has(start+12) || !r.Has(start+12) || r.Has(end) {
		t.Error("what was taken back, or never there, is there, or was taken from both")
	}
}

// What there is no room for, over all peers, is unknown; a little is always known; and what one forgets others may use.
func TestRoomIsShared(t *testing.T) {
	const most = 100
	room := NewRoom(most * pageBytes)
	holes := func(r *Remote) (known int) {
		r.Within(room)
		for page := range uint64(1000) {
			block := (page + 1) * pageBlocks
			r.Set(block+1, 2, true)
			if r.Has(block+1) && !r.Has(block) {
				known++
			}
		}
		return known
	}
	const free = freeBytes / pageBytes
	var a, b Remote
	if got := holes(&a); got < most+free-1 || got > most+free+1 {
		t.Errorf("%d pages are known, want %d", got, most+free)
	}
	if got := holes(&b); got < free || got > free+1 {
		t.Errorf("%d pages of another are known, want %d", got, free)
	}
	b.Set(pageBlocks, 1, false)
	a.Forget()
	if got := holes(&b); got < most+free-1 {
		t.Errorf("%d pages are known when there is room again, want %d", got, most+free)
	}
	if b.Forget(); room.used.Load() != 0 || !a.Empty() || !b.Empty() {
		t.Errorf("%d bytes are left of nothing", room.used.Load())
	}
}
