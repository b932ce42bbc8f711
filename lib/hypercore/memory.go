package hypercore

import (
	"slices"

	"hc/lib/lent"
	"hc/lib/merkle"
)

// What a Download holds in memory: the reader's next blocks, unsaved data and, without a store, the tree nodes that
// are still of use.

// pruneFrom is the number of nodes in memory from which it pays to look for unneeded ones.
const pruneFrom = 4096

// How many bytes of saved blocks are held for the reader: the nearest ones or, for a scattered reader, those that
// came first. It finds the rest in the store, where it has to be decompressed again. A reader in order that is this
// far behind gets no more blocks asked for.
const (
	keepSaved   = 4 << 20
	keepOrdered = 8 << 20
)

// keeps returns which of the two applies to this reader.
func (d *Download) keeps() int {
	if d.scattered {
		return keepSaved
	}
	return keepOrdered
}

// Unread returns the cost, in bytes, of the verified blocks in memory that the reader has not passed yet.
func (d *Download) Unread() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unread
}

// hold keeps a block in memory. d.mu is held.
func (d *Download) hold(block uint64, h held) {
	h.memory.Hold()
	d.letGo(block)
	d.blocks[block] = h
	d.memory += cost(h.data)
	if block >= d.reader.position {
		d.unread += cost(h.data)
	}
}

// letGo forgets a block in memory, if it is there. d.mu is held.
func (d *Download) letGo(block uint64) {
	old, ok := d.blocks[block]
	if !ok {
		return
	}
	delete(d.blocks, block)
	old.memory.Release()
	d.memory -= cost(old.data)
	if block < d.reader.position || old.read {
		return
	}
	d.unread -= cost(old.data)
	if d.scattered {
		d.countRead(cost(old.data))
	}
}

// lend records that the reader has a block, if the block lies in memory that the reader is to give back. d.mu is
// held.
func (d *Download) lend(block uint64, memory *lent.Memory) {
	if memory == nil || !d.returned {
		return
	}
	memory.Hold()
	d.out[block] = append(d.out[block], memory)
}

// Return gives back a block that Block returned: its bytes are not read any more. A block that Block returned several
// times has to be given back as often.
func (d *Download) Return(block uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.out[block]
	if len(out) == 0 {
		return
	}
	out[0].Release()
	if len(out) == 1 {
		delete(d.out, block)
		return
	}
	d.out[block] = out[1:]
}

// moveTo sets the reader's position. d.mu is held.
func (d *Download) moveTo(position uint64) {
	from := d.reader.position
	d.reader.position = position
	if position == from+1 {
		if h, ok := d.blocks[from]; ok {
			d.unread -= cost(h.data)
			if h.saved {
				d.letGo(from)
			}
		}
		return
	}
	d.unread = 0
	for block, h := range d.blocks {
		if block >= position {
			d.unread += cost(h.data)
		}
	}
}

// Evict forgets verified blocks that are saved nowhere, beginning with those that the reader will reach last, until
// the rest costs at most limit bytes. It returns them: they have to be asked for again. The block that the reader
// waits for stays. With a store there is nothing to forget.
func (d *Download) Evict(limit int) (evicted []uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.into != nil || d.unread <= limit {
		return nil
	}
	ahead := make([]uint64, 0, len(d.blocks))
	for block := range d.blocks {
		if block > d.reader.position && !(d.reader.block.waits && block == d.reader.block.number) {
			ahead = append(ahead, block)
		}
	}
	slices.Sort(ahead)
	for _, block := range slices.Backward(ahead) {
		if d.unread <= limit {
			break
		}
		d.letGo(block)
		evicted = append(evicted, block)
	}
	return evicted
}

// saved marks blocks as saved. It drops those that have been read and, if the others exceed the limit, the farthest
// of them first. d.mu is held.
func (d *Download) saved(leaves []merkle.Node) {
	for _, leaf := range slices.Backward(leaves) {
		block := leaf.Index / 2
		d.forgetAhead(block)
		h, ok := d.blocks[block]
		switch {
		case !ok:
		case block < d.reader.position || d.memory-d.unsaved.memory > d.keeps() || d.scattered && h.read:
			d.letGo(block)
		case d.scattered:
			d.unread -= cost(h.data) // it is in the store, too: nothing waits for it to be read
			d.countRead(cost(h.data))
			h.saved, h.read = true, true
			d.blocks[block] = h
		default:
			h.saved = true
			d.blocks[block] = h
		}
	}
}

// prune drops nodes that only blocks already read needed, if there is no store. d.mu is held.
func (d *Download) prune() {
	if d.into != nil || len(d.nodes) < max(pruneFrom, 2*d.pruned) {
		return
	}
	for index := range d.nodes {
		if merkle.FirstBlock(index) >= d.reader.start && merkle.LastBlock(index) < d.reader.position {
			delete(d.nodes, index)
		}
	}
	d.pruned = len(d.nodes)
}
