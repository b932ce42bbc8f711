// Package lent is memory that passes from the code that fills it to the code that holds it, and back, so that a block
// that is only passed on is neither copied nor given memory of its own.
//
// Whoever takes memory from a pool is its first holder. Code that is to read it beyond the end of another holder's
// hold gets a hold of its own with [Memory.Hold], while the other one still has its hold. A hold ends with
// [Memory.Release], once. With the last one the memory goes back to its pool, and its bytes belong to the next taker:
// no slice of them may be read any more. While there are several holders nobody writes.
//
// A hold that is never released does no harm, except that the memory is not reused: it is garbage-collected like any
// other, and the pool is notified. So memory that is passed to code that knows nothing of holds is just not released.
// A nil *Memory stands for memory that was the garbage collector's from the beginning; its Hold and Release do
// nothing.
package lent

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
)

// Memory is lent in four sizes between one power of two and the next, plus a sixteenth, which is room for data around
// that many bytes. Idle memory is lent for fewer bytes, too, down to two thirds.
const (
	leastSize = 64 << 10
	steps     = 4
	slack     = 16
)

// sizeOf returns the size of the memory that is allocated for that many bytes.
func sizeOf(bytes int) int {
	if bytes <= leastSize+leastSize/slack {
		return leastSize + leastSize/slack
	}
	net := bytes - bytes/(slack+1) // a sixteenth on top of this is enough
	step := 1 << (bits.Len(uint(net-1)) - 1) / steps
	net = (net + step - 1) / step * step
	return net + net/slack
}

// Memory is a piece of memory from a pool, or nil.
type Memory struct {
	bytes   []byte
	pool    *Pool // nil: released memory is not reused
	loan    *loan
	holders atomic.Int32
}

// loan is what remains of memory that was collected while it was out. It refers neither to the memory nor to its
// pool, which refers to idle memory: else nothing of either would ever be collected.
type loan struct {
	lent *atomic.Int64 // the pool's
	size int
	out  atomic.Bool
}

// A Pool lends memory. A nil Pool does, too, and forgets it. It is safe for concurrent use.
type Pool struct {
	limit int

	mu    sync.Mutex    // guards everything below
	lent  *atomic.Int64 // bytes that are out; also changed without mu
	idle  []*Memory     // the most recently returned one is last
	spare int           // bytes of idle
}

// NewPool returns a pool. It keeps idle memory only as long as that, together with the memory that is out, is at most
// limit bytes and a quarter more. The limit does not bound what is lent: a caller that can do without asks
// [Pool.Full].
func NewPool(limit int) *Pool { return &Pool{limit: limit, lent: new(atomic.Int64)} }

// Take returns memory for at least that many bytes, with the caller as its only holder. Its content is undefined.
func (p *Pool) Take(bytes int) *Memory {
	size := sizeOf(bytes)
	if m := p.take(size); m != nil {
		return m
	}
	m := &Memory{bytes: make([]byte, size), pool: p, loan: &loan{size: size}}
	m.holders.Store(1)
	if p != nil {
		m.loan.lent = p.lent
		m.loan.out.Store(true)
		runtime.AddCleanup(m, (*loan).lost, m.loan)
	}
	return m
}

// take returns idle memory for size bytes, if there is some, and counts the bytes that are lent.
func (p *Pool) take(size int) *Memory {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	best := -1
	for i, m := range p.idle {
		if has := m.loan.size; has >= size && has <= size+size/2 && (best < 0 || has <= p.idle[best].loan.size) {
			best = i
		}
	}
	if best < 0 {
		p.lent.Add(int64(size))
		p.trim()
		return nil
	}
	m := p.idle[best]
	p.drop(best)
	p.lent.Add(int64(m.loan.size))
	m.holders.Store(1)
	m.loan.out.Store(true)
	return m
}

// drop removes one from the idle ones. mu is held.
func (p *Pool) drop(i int) {
	p.spare -= p.idle[i].loan.size
	last := len(p.idle) - 1
	copy(p.idle[i:], p.idle[i+1:])
	p.idle[last] = nil
	p.idle = p.idle[:last]
}

// overPart is the part of the limit by which idle memory may exceed it. The memory that is out comes near the limit,
// and exceeds it by a few pieces, again and again: without this allowance these would be allocated each time.
const overPart = 4

// trim leaves idle memory over the limit to the garbage collector, the oldest first. mu is held.
func (p *Pool) trim() {
	for len(p.idle) > 0 && p.out()+p.spare > p.limit+p.limit/overPart {
		p.drop(0)
	}
}

// Full reports whether as much is lent as should be. A nil pool is always full: it is no use to hold on to memory
// that it lends.
func (p *Pool) Full() bool {
	if p == nil {
		return true
	}
	return p.out() >= p.limit
}

func (p *Pool) out() int { return int(p.lent.Load()) }

// Bytes returns the memory. A holder may read it; it may write to it as long as it is the only one.
func (m *Memory) Bytes() []byte { return m.bytes }

// Hold adds a holder. The caller must have a hold that has not ended.
func (m *Memory) Hold() {
	if m != nil && m.holders.Add(1) <= 1 {
		panic("lent: internal error: a hold of memory that was given back")
	}
}

// Release ends a hold.
func (m *Memory) Release() {
	if m == nil {
		return
	}
	switch left := m.holders.Add(-1); {
	case left < 0:
		panic("lent: internal error: memory was released twice")
	case left == 0:
		poison(m.bytes)
		m.pool.back(m)
	}
}

// back takes memory that nobody holds any more.
func (p *Pool) back(m *Memory) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m.loan.out.Store(false)
	p.lent.Add(-int64(m.loan.size))
	p.idle = append(p.idle, m)
	p.spare += m.loan.size
	p.trim()
}

// lost counts memory as given back that was collected while it was held.
func (l *loan) lost() {
	if l.out.Swap(false) {
		l.lent.Add(-int64(l.size))
	}
}
