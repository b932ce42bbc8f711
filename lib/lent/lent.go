// Package lent is memory that passes from who fills it to who holds it, and back, so that a block that is only passed on is
// neither copied nor given memory of its own.
//
// Who takes memory from a pool is its first holder. Whoever is to read it behind the end of another's hold gets a hold of his own,
// by [Memory.Hold], while that other one still has his. A hold ends with [Memory.Release], once; with the last one the memory goes
// back to its pool, and its bytes are the next taker's: no slice of them may be read any more. While there are several
// holders nobody writes.
//
// A hold that is never released does no harm but that the memory is not used again: it is the collector's, as any other is, and the
// pool hears of that. So what is given to somebody who does not know of all this is simply not released. A nil *Memory stands for
// memory that is the collector's from the beginning; Hold and Release of it do nothing.
package lent

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
)

// Memory is lent in sizes of four steps between one power of two and the next, and a sixteenth more, which is room for what stands
// around as many bytes. What is idle is lent for fewer bytes, too, down to two thirds.
const (
	leastSize = 64 << 10
	steps     = 4
	slack     = 16
)

// sizeOf returns the size of the memory that is made for so many bytes.
func sizeOf(bytes int) int {
	if bytes <= leastSize+leastSize/slack {
		return leastSize + leastSize/slack
	}
	net := bytes - bytes/(slack+1) // of which a sixteenth more is enough
	step := 1 << (bits.Len(uint(net-1)) - 1) / steps
	net = (net + step - 1) / step * step
	return net + net/slack
}

// Memory is a piece of a pool's, or nil.
type Memory struct {
	bytes   []byte
	pool    *Pool // nil: what is released is not used again
	loan    *loan
	holders atomic.Int32
}

// loan is what is left of memory that was collected while it was out. No way leads from it to the memory, nor to its pool, which
// knows idle memory: else nothing of either would ever be collected.
type loan struct {
	lent *atomic.Int64 // the pool's
	size int
	out  atomic.Bool
}

// A Pool lends memory. A nil one does, too, and forgets it. Safe for concurrent use.
type Pool struct {
	limit int

	mu    sync.Mutex    // guards all below
	lent  *atomic.Int64 // bytes that are out; also changed without mu
	idle  []*Memory     // that came last, last
	spare int           // bytes of idle
}

// NewPool returns a pool. Of memory that is not needed it keeps no more than makes limit bytes, and a quarter of them, together with what is
// out. What is lent is not bounded by it: who could do without asks [Pool.Full].
func NewPool(limit int) *Pool { return &Pool{limit: limit, lent: new(atomic.Int64)} }

// Take returns memory for so many bytes, and maybe more, of which the caller is the only holder. Its content is anything.
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

// take returns idle memory for size bytes, if there is some, and counts what is lent.
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

// drop takes one off the idle ones. mu is held.
func (p *Pool) drop(i int) {
	p.spare -= p.idle[i].loan.size
	last := len(p.idle) - 1
	copy(p.idle[i:], p.idle[i+1:])
	p.idle[last] = nil
	p.idle = p.idle[:last]
}

// overPart is which part of the limit may be idle beyond it. What is out comes near the limit, and goes beyond it by some pieces, again and
// again: without that these would be made each time.
const overPart = 4

// trim leaves to the collector what is over the limit, the oldest first. mu is held.
func (p *Pool) trim() {
	for len(p.idle) > 0 && p.out()+p.spare > p.limit+p.limit/overPart {
		p.drop(0)
	}
}

// Full reports whether as much is lent as should be. A nil pool is always full: it is no use to hold on to what it lends.
func (p *Pool) Full() bool {
	if p == nil {
		return true
	}
	return p.out() >= p.limit
}

func (p *Pool) out() int { return int(p.lent.Load()) }

// Bytes returns the memory. A holder may read it; it may be written as long as there is only one.
func (m *Memory) Bytes() []byte { return m.bytes }

// Hold makes one more holder. The caller has a hold, which has not ended.
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

// lost counts memory as given back that somebody held to its end.
func (l *loan) lost() {
	if l.out.Swap(false) {
		l.lent.Add(-int64(l.size))
	}
}
