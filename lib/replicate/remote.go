package replicate

import (
	"math/bits"

	"hc/lib/replicate/messages"
)

// pageBlocks is how many blocks one page of a remote's bitfield covers.
const (
	pageBlocks = 4096
	pageWords  = pageBlocks / 64
	maxPages   = 16 << 10 // 8 MiB of bits a peer, 64 Mi blocks beyond its contiguous prefix; more is taken as unknown
)

type page [pageWords]uint64

// remoteBlocks is what a peer said that it has: a prefix, and pages of bits beyond it, which do not count below it.
// Bounded, whatever the peer says.
type remoteBlocks struct {
	prefix uint64
	pages  map[uint64]*page
}

// clone returns a copy that shares nothing.
func (r *remoteBlocks) clone() remoteBlocks {
	c := remoteBlocks{prefix: r.prefix, pages: make(map[uint64]*page, len(r.pages))}
	for number, p := range r.pages {
		bits := *p
		c.pages[number] = &bits
	}
	return c
}

func (r *remoteBlocks) has(block uint64) bool {
	if block < r.prefix {
		return true
	}
	p := r.pages[block/pageBlocks]
	return p != nil && p[block%pageBlocks/64]>>(block%64)&1 != 0
}

// set notes that the peer has, or no longer has, [start, start+length). It returns how many pages it looked at, at least
// 1: what the peer's message cost us.
func (r *remoteBlocks) set(start, length uint64, has bool) (cost int) {
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
		cost = r.fill(start, end, false) // bits that did not count
		if end < tail {
			cost += r.fill(end, tail, true)
		}
		return cost + 1
	}
	return r.fill(start, end, has) + 1
}

// fill sets the bits of [start, end), as far as there may be pages.
func (r *remoteBlocks) fill(start, end uint64, has bool) (cost int) {
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
		if p == nil && has && len(r.pages) < maxPages {
			p = r.add(number)
		}
		if p != nil {
			r.fillPage(number, p, start, end, has)
		}
	}
	return cost
}

func (r *remoteBlocks) add(number uint64) *page {
	if r.pages == nil {
		r.pages = map[uint64]*page{}
	}
	p := new(page)
	r.pages[number] = p
	return p
}

func (r *remoteBlocks) fillPage(number uint64, p *page, start, end uint64, has bool) {
	begin := number * pageBlocks
	from, to := max(start, begin)-begin, min(end-begin, pageBlocks)
	if !has && from == 0 && to == pageBlocks {
		delete(r.pages, number)
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

// setBits notes a bitfield, which replaces what was known of its blocks. It returns what that cost, as set does.
func (r *remoteBlocks) setBits(m messages.Bitfield) (cost int) {
	for i, word := range m.Words {
		start := m.Start + uint64(i)*32
		if start <= r.prefix {
			cost += r.touchPrefix(start, start+uint64(bits.TrailingZeros32(^word)))
		}
		r.setWord(start, word)
	}
	return cost + len(m.Words)/pageWords + 1
}

// touchPrefix makes the prefix end with the ones of a word that begins in it or right behind it, if they go beyond it or
// end within it.
func (r *remoteBlocks) touchPrefix(start, ones uint64) (cost int) {
	tail := r.prefix
	if ones < start+32 || ones > tail {
		r.prefix = ones
	}
	if ones >= tail || ones == start+32 {
		return 0
	}
	return r.fill(ones, tail, false) + r.fill(start+32, tail, true)
}

func (r *remoteBlocks) setWord(start uint64, word uint32) {
	p := r.pages[start/pageBlocks]
	if p == nil && (word == 0 || start+32 <= r.prefix || len(r.pages) >= maxPages) {
		return
	}
	if p == nil {
		p = r.add(start / pageBlocks)
	}
	shift := start % 64
	at := &p[start%pageBlocks/64]
	*at = *at&^(uint64(1<<32-1)<<shift) | uint64(word)<<shift
}
