package replicate

// pageBlocks is how many blocks one page of a remote's bitfield covers.
const (
	pageBlocks = 4096
	maxPages   = 16 << 10 // 8 MiB of bits a peer, 64 Mi blocks beyond its contiguous prefix; more is taken as unknown
)

// remoteBlocks is what a peer said that it has: a prefix, and pages of bits beyond it. Bounded, whatever it says.
type remoteBlocks struct {
	prefix uint64
	pages  map[uint64]*[pageBlocks / 64]uint64
}

func (r *remoteBlocks) has(block uint64) bool {
	if block < r.prefix {
		return true
	}
	page := r.pages[block/pageBlocks]
	return page != nil && page[block%pageBlocks/64]>>(block%64)&1 != 0
}

// set notes that the peer has, or no longer has, [start, start+length).
func (r *remoteBlocks) set(start, length uint64, has bool) {
	end := start + length
	if end < start {
		end = 1<<64 - 1
	}
	if has && start <= r.prefix {
		r.prefix = max(r.prefix, end)
		return
	}
	if !has && start < r.prefix {
		tail := r.prefix
		r.prefix = start
		if end < tail {
			r.fill(end, tail, true)
		}
		return
	}
	r.fill(start, end, has)
}

// fill sets the bits of [start, end), as far as there may be pages.
func (r *remoteBlocks) fill(start, end uint64, has bool) {
	if r.pages == nil {
		r.pages = map[uint64]*[pageBlocks / 64]uint64{}
	}
	for number := start / pageBlocks; number*pageBlocks < end; number++ {
		page := r.pages[number]
		if page == nil {
			if !has && len(r.pages) == 0 {
				return
			}
			if !has || len(r.pages) >= maxPages {
				if number-start/pageBlocks > maxPages {
					return
				}
				continue
			}
			page = new([pageBlocks / 64]uint64)
			r.pages[number] = page
		}
		from, to := max(start, number*pageBlocks), min(end, (number+1)*pageBlocks)
		for block := from; block < to; block++ {
			bit := uint64(1) << (block % 64)
			if has {
				page[block%pageBlocks/64] |= bit
			} else {
				page[block%pageBlocks/64] &^= bit
			}
		}
	}
}

// setBits notes a bitfield, which replaces what was known of its blocks.
func (r *remoteBlocks) setBits(m bitfieldMessage) {
	for i, word := range m.Words {
		start := m.Start + uint64(i)*32
		if start+32 <= r.prefix && word == 1<<32-1 {
			continue
		}
		if word == 0 {
			r.set(start, 32, false)
			continue
		}
		for bit := range uint64(32) {
			if has := word>>bit&1 != 0; has != r.has(start+bit) {
				r.set(start+bit, 1, has)
			}
		}
	}
}
