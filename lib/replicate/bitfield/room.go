package bitfield

import "sync/atomic"

// What a page costs, with its place in the map, in bytes.
const (
	wholeBytes = 64
	pageBytes  = wholeBytes + pageBlocks/8

	freeBytes = 128 << 10 // that are counted for nobody: as much as most logs need
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

// Room is a limit that what several peers have shares. What there is no room for is taken as unknown. Safe for concurrent use.
type Room struct {
	limit int64
	used  atomic.Int64
}

// NewRoom returns a limit of so many bytes.
func NewRoom(bytes int64) *Room { return &Room{limit: bytes} }

// afford counts what a page costs more, or less, than before, if there is room.
func (r *Remote) afford(cost int) bool {
	before, after := max(r.bytes, freeBytes), max(r.bytes+cost, freeBytes)
	if !r.room.take(after - before) {
		return false
	}
	r.bytes += cost
	return true
}

// take counts so many bytes more, or fewer, if there is room. A nil room has enough.
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
