package bitfield

import "sync/atomic"

// Bytes that a page takes, with its place in the map.
const (
	wholeBytes = 64
	pageBytes  = wholeBytes + pageBlocks/8

	freeBytes = 128 << 10 // of each Remote, not counted: as much as most logs need
)

func bytesOf(p *page) int {
	switch p {
	case nil:
		return 0
	case &whole:
		return wholeBytes
	}
	return pageBytes
}

// Room is a memory limit shared by the Remotes of several peers. Blocks for which there is no room count as unknown. Safe for
// concurrent use.
type Room struct {
	limit int64
	used  atomic.Int64
}

// NewRoom returns a limit of that many bytes.
func NewRoom(bytes int64) *Room { return &Room{limit: bytes} }

// afford counts a change of the memory that pages take, if there is room. It reports whether there was.
func (r *Remote) afford(cost int) bool {
	before, after := max(r.bytes, freeBytes), max(r.bytes+cost, freeBytes)
	if !r.room.take(after - before) {
		return false
	}
	r.bytes += cost
	return true
}

// take counts a change in bytes, if there is room. A nil Room has no limit.
func (m *Room) take(bytes int) bool {
	if m == nil {
		return true
	}
	if m.used.Add(int64(bytes)) > m.limit && bytes > 0 {
		m.used.Add(-int64(bytes))
		return false
	}
	return true
}

func (m *Room) give(bytes int) {
	if m != nil && bytes > 0 {
		m.used.Add(-int64(bytes))
	}
}
