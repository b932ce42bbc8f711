package bitfield

import (
	"math/bits"
)

const (
	pageBlocks = 4096 // blocks that one page covers
	pageWords  = pageBlocks / 64
	maxPages   = 16 << 10 // for each peer 8 MiB of bits, 64 Mi blocks beyond its prefix; more count as unknown
)

type page [pageWords]uint64

// whole stands for every page of which a peer has all blocks, so that a range costs little, however long. It is copied before
// a bit is cleared.
var whole = func() (p page) {
	for i := range p {
		p[i] = ^uint64(0)
	}
	return p
}()

// Remote is what a peer said it has: a prefix, and pages of bits beyond it; bits below the prefix do not count. The zero value
// has nothing. Not safe for concurrent use.
type Remote struct {
	prefix uint64
	pages  map[uint64]*page
	room   *Room
	bytes  int // memory that the pages take
}

// Within makes the memory taken from now on count towards a shared limit, until [Remote.Forget].
func (r *Remote) Within(room *Room) { r.room = room }

// Forget gives back what was taken of the shared limit, and empties the Remote.
func (r *Remote) Forget() {
	r.room.give(r.bytes - freeBytes)
	*r = Remote{}
}

// Clone returns a copy that shares nothing.
func (r *Remote) Clone() Remote {
	c := Remote{prefix: r.prefix, pages: make(map[uint64]*page, len(r.pages))}
	for number, p := range r.pages {
		if p != &whole {
			bits := *p
			p = &bits
		}
		c.pages[number] = p
	}
	return c
}

// Contiguous returns the length of the prefix: how many blocks the peer has from the first one on, or fewer.
func (r *Remote) Contiguous() uint64 { return r.prefix }

// Empty reports whether nothing is set. It may report false when everything that was set has been cleared.
func (r *Remote) Empty() bool { return r.prefix == 0 && len(r.pages) == 0 }

// Has reports whether the peer has a block. Blocks beyond the limits count as missing.
func (r *Remote) Has(block uint64) bool {
	if block < r.prefix {
		return true
	}
	p := r.pages[block/pageBlocks]
	return p != nil && p[block%pageBlocks/64]>>(block%64)&1 != 0
}

// Next returns the first block at or after from that the peer has; ok is false if there is none.
func (r *Remote) Next(from uint64) (block uint64, ok bool) {
	if from < r.prefix {
		return from, true
	}
	number := from / pageBlocks
	if p := r.pages[number]; p != nil {
		if at, ok := p.next(from % pageBlocks); ok {
			return number*pageBlocks + at, true
		}
	}
	for n, p := range r.pages {
		if n <= number || ok && n >= block/pageBlocks {
			continue
		}
		if at, has := p.next(0); has {
			block, ok = n*pageBlocks+at, true
		}
	}
	return block, ok
}

// next returns the first set bit at or after from.
func (p *page) next(from uint64) (at uint64, ok bool) {
	mask := ^uint64(0) << (from % 64)
	for word := from / 64; word < pageWords; word++ {
		if set := p[word] & mask; set != 0 {
			return word*64 + uint64(bits.TrailingZeros64(set)), true
		}
		mask = ^uint64(0)
	}
	return 0, false
}

// Set notes that the peer has, or no longer has, the blocks [start, start+length). It returns the cost in pages looked at, at
// least 1.
func (r *Remote) Set(start, length uint64, has bool) (cost int) {
	end := start + length
	if end < start {
		end = 1<<64 - 1
	}
	switch {
	case has && start <= r.prefix:
		r.prefix = max(r.prefix, end)
		return 1
	case !has && start < r.prefix:
		tail := r.prefix
		r.prefix = start
		cost = r.fill(start, end, false) // bits below the prefix, which did not count
		if end < tail {
			cost += r.fill(end, tail, true)
		}
		return cost + 1
	}
	return r.fill(start, end, has) + 1
}

// fill sets or clears the bits of [start, end), as far as the limits allow.
func (r *Remote) fill(start, end uint64, has bool) (cost int) {
	if start >= end {
		return 0
	}
	first, last := start/pageBlocks, (end-1)/pageBlocks
	if !has && last-first >= uint64(len(r.pages)) {
		for number, p := range r.pages {
			if first <= number && number <= last {
				r.fillPage(number, p, start, end, false)
			}
		}
		return len(r.pages)
	}
	for number := first; number <= last && cost < maxPages; number++ {
		cost++
		p := r.pages[number]
		if p == nil && !has {
			continue
		}
		r.fillPage(number, p, start, end, has)
	}
	return cost
}

// put replaces a page by p; nil removes it. It reports whether there was room.
func (r *Remote) put(number uint64, p *page) bool {
	before := r.pages[number]
	cost := bytesOf(p) - bytesOf(before)
	if before == nil && p != nil && len(r.pages) >= maxPages || !r.afford(cost) {
		return false
	}
	switch {
	case p == nil:
		delete(r.pages, number)
		return true
	case r.pages == nil:
		r.pages = map[uint64]*page{}
	}
	r.pages[number] = p
	return true
}

// own returns a page whose bits may be changed: the existing one, a copy of it, or a new one. If there is no room it returns
// nil, and the existing page is dropped.
func (r *Remote) own(number uint64) *page {
	p := r.pages[number]
	if p != nil && p != &whole {
		return p
	}
	changed := new(page)
	if p != nil {
		*changed = *p
	}
	if !r.put(number, changed) {
		r.put(number, nil)
		return nil
	}
	return changed
}

func (r *Remote) fillPage(number uint64, p *page, start, end uint64, has bool) {
	begin := number * pageBlocks
	from, to := max(start, begin)-begin, min(end-begin, pageBlocks)
	switch all := from == 0 && to == pageBlocks; {
	case all && !has:
		r.put(number, nil)
		return
	case all:
		r.put(number, &whole)
		return
	case has && p == &whole:
		return
	}
	if p = r.own(number); p == nil {
		return
	}
	for word := from / 64; word*64 < to; word++ {
		mask := ^uint64(0)
		if word == from/64 {
			mask &= ^uint64(0) << (from % 64)
		}
		if rest := to - word*64; rest < 64 {
			mask &= 1<<rest - 1
		}
		if has {
			p[word] |= mask
		} else {
			p[word] &^= mask
		}
	}
}

// SetBits notes a bitfield, which replaces what was known of its blocks: bit i%32 of word i/32 is block first+i. first is a
// multiple of 32. It returns the cost, as Set does.
func (r *Remote) SetBits(first uint64, words []uint32) (cost int) {
	for i, word := range words {
		start := first + uint64(i)*32
		if start <= r.prefix {
			cost += r.touchPrefix(start, start+uint64(bits.TrailingZeros32(^word)))
		}
		r.setWord(start, word)
	}
	return cost + len(words)/pageWords + 1
}

// touchPrefix makes the prefix end with the ones of a word that begins in it or right after it, if they go beyond it or end
// within it.
func (r *Remote) touchPrefix(start, ones uint64) (cost int) {
	tail := r.prefix
	if ones < start+32 || ones > tail {
		r.prefix = ones
	}
	if ones >= tail || ones == start+32 {
		return 0
	}
	return r.fill(ones, tail, false) + r.fill(start+32, tail, true)
}

func (r *Remote) setWord(start uint64, word uint32) {
	p := r.pages[start/pageBlocks]
	if p == nil && (word == 0 || start+32 <= r.prefix) || p == &whole && word == 1<<32-1 {
		return
	}
	if p = r.own(start / pageBlocks); p == nil {
		return
	}
	shift := start % 64
	at := &p[start%pageBlocks/64]
	*at = *at&^(uint64(1<<32-1)<<shift) | uint64(word)<<shift
}
