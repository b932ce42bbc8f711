package answers

import (
	"slices"
	"sync"

	"hc/lib/objects"
	"hc/lib/protomux"
)

// Frame is the memory in which an answer with blocks is made, encrypted, and written from: blocks are read from the log to
// where they are sent from. It belongs to the goroutine that took it until that gives it back. The pieces of the answer
// alias it, and must not be used after that. When Send returns, everything has been written.
type Frame struct {
	b []byte // frontRoom bytes, then the payloads, in order
}

const (
	frontRoom = 8 << 10 // bytes before the payloads: enough for the head of an answer, except for very many blocks
	backRoom  = 1 << 10 // bytes after them: for the checksum, and the overhead of a frame that does not compress
	longFrame = frontRoom + objects.MaxRaw + backRoom
)

// framePool has the idle frames for most bytes of blocks.
type framePool struct {
	most int
	idle *sync.Pool
}

// framePools has a pool for each limit that answers have, ascending.
var framePools = []framePool{newFrames(packedRaw), newFrames(crowdedRaw), newFrames(objects.MaxRaw)}

func newFrames(most int) framePool {
	p := framePool{most: most}
	p.idle = &sync.Pool{New: func() any { return p.frame() }}
	return p
}

func (p framePool) size() int { return frontRoom + p.most + backRoom }

// frame returns a new frame.
func (p framePool) frame() *Frame { return &Frame{make([]byte, frontRoom, p.size())} }

// Take returns an empty frame for most bytes of blocks. One for more than objects.MaxRaw is not kept.
func Take(most int) *Frame {
	at := slices.IndexFunc(framePools, func(p framePool) bool { return p.most >= most })
	if at < 0 {
		return framePool{most: most}.frame()
	}
	return framePools[at].idle.Get().(*Frame)
}

// GiveBack ends the use of a frame. One that has grown is not kept.
func (f *Frame) GiveBack() {
	f.b = f.b[:frontRoom]
	at := slices.IndexFunc(framePools, func(p framePool) bool { return p.size() == cap(f.b) })
	if at >= 0 {
		framePools[at].idle.Put(f)
	}
}

// reserve returns the frame's bytes with room for n more, and for what follows the payloads.
func (f *Frame) reserve(n int) []byte {
	f.b = slices.Grow(f.b, n+backRoom)
	return f.b
}

// Send puts the head of the answer before the payloads, which must be everything packed here, and writes it.
func (f *Frame) Send(channel *protomux.Channel, answer objects.Blocks) error {
	at := f.before(answer.Head())
	return channel.WriteInPlace(objects.TypeBlocks, f.reserve(0), at)
}

// before puts a head before the payloads, and returns where it begins. Only a very long head moves them.
func (f *Frame) before(head []byte) (at int) {
	at = frontRoom - len(head)
	if lack := protomux.HeadRoom - at; lack > 0 {
		f.b = slices.Insert(f.b, frontRoom, make([]byte, lack)...)
		at += lack
	}
	copy(f.b[at:], head)
	return at
}
