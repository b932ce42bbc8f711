package answers

import (
	"slices"
	"sync"

	"hc/lib/objects"
	"hc/lib/protomux"
)

// Frame is the memory in which an answer with blocks is made, encrypted, and written from: what is in the log is read to where
// it leaves, and nowhere else. It is of who has taken it, one goroutine, until he gives it back. Of the answer that is made in it the
// pieces alias it, so nothing of that may be used any more then; of what was sent nothing is left to be written when Send returns.
type Frame struct {
	b []byte // frontRoom bytes, then the payloads, in order
}

const (
	frontRoom = 8 << 10 // bytes before the payloads: enough for the head of all answers but those of very many blocks
	backRoom  = 1 << 10 // bytes behind them: for the checksum, and what a frame has that saves nothing
	longFrame = frontRoom + objects.MaxRaw + backRoom
)

// framePool has frames for so many bytes of blocks that nobody has.
type framePool struct {
	most int
	idle *sync.Pool
}

// framePools are of all lengths that an answer has at most, ascending.
var framePools = []framePool{newFrames(packedRaw), newFrames(crowdedRaw), newFrames(objects.MaxRaw)}

func newFrames(most int) framePool {
	p := framePool{most: most}
	p.idle = &sync.Pool{New: func() any { return p.frame() }}
	return p
}

func (p framePool) size() int { return frontRoom + p.most + backRoom }

// frame makes a frame.
func (p framePool) frame() *Frame { return &Frame{make([]byte, frontRoom, p.size())} }

// Take returns an empty frame for so many bytes of blocks: for more than objects.MaxRaw one that is not kept.
func Take(most int) *Frame {
	at := slices.IndexFunc(framePools, func(p framePool) bool { return p.most >= most })
	if at < 0 {
		return framePool{most: most}.frame()
	}
	return framePools[at].idle.Get().(*Frame)
}

// GiveBack ends all use of a frame. One that has grown is let go.
func (f *Frame) GiveBack() {
	f.b = f.b[:frontRoom]
	at := slices.IndexFunc(framePools, func(p framePool) bool { return p.size() == cap(f.b) })
	if at >= 0 {
		framePools[at].idle.Put(f)
	}
}

// reserve returns the frame's bytes with room for n more, and all that goes behind them.
func (f *Frame) reserve(n int) []byte {
	f.b = slices.Grow(f.b, n+backRoom)
	return f.b
}

// Send puts the head of the answer, whose payloads are all that was packed here, before them, and writes it.
func (f *Frame) Send(channel *protomux.Channel, answer objects.Blocks) error {
	at := f.before(answer.Head())
	return channel.WriteInPlace(objects.TypeBlocks, f.reserve(0), at)
}

// before puts a head before the payloads, and returns where it begins. Only a very long one makes them move.
func (f *Frame) before(head []byte) (at int) {
	at = frontRoom - len(head)
	if lack := protomux.HeadRoom - at; lack > 0 {
		f.b = slices.Insert(f.b, frontRoom, make([]byte, lack)...)
		at += lack
	}
	copy(f.b[at:], head)
	return at
}
