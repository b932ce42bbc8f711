package hypercore

import (
	"context"

	"hc/lib/merkle"
)

// A scattered download is read in no order: a tree's nodes here and there, the blocks of one file and then of
// another. Its reader announces with Want what it will read, so that it is there by then. Blocks that were read are
// dropped once saved.

// wants is what the reader announced.
type wants struct {
	soon, later []BlockRange // not yet taken by the code that asks peers
	open        bool         // some of what was announced is not settled yet
}

// BlockRange is the blocks from First up to, but not including, End.
type BlockRange struct{ First, End uint64 }

// Want announces that the reader will read these blocks, after everything it wanted before. They are asked for as far
// as there is room for unread blocks. A block that nobody has is passed over until it is read.
func (d *Download) Want(blocks ...BlockRange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wants.later = append(d.wants.later, blocks...)
	d.wanted(blocks)
}

// WantSoon is Want for blocks that the reader will read before everything it wanted before.
func (d *Download) WantSoon(blocks ...BlockRange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wants.soon = append(d.wants.soon, blocks...)
	d.wanted(blocks)
}

func (d *Download) wanted(blocks []BlockRange) {
	if len(blocks) == 0 {
		return
	}
	d.wants.open = true
	d.notify()
}

// TakeWants returns what was wanted since the last call, for the code that asks peers.
func (d *Download) TakeWants() (soon, later []BlockRange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	soon, later = d.wants.soon, d.wants.later
	d.wants.soon, d.wants.later = nil, nil
	return soon, later
}

// WantsSettled declares that everything taken with TakeWants is here, or that nobody has it.
func (d *Download) WantsSettled() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wants.open && len(d.wants.soon)+len(d.wants.later) == 0 {
		d.wants.open = false
		d.notify()
	}
}

// AwaitWants waits until everything wanted is here, or is known to be available nowhere: see Missing. If nothing more
// comes before that, it returns the reason.
func (d *Download) AwaitWants(ctx context.Context) error {
	return d.await(ctx, func() (bool, error) {
		if d.wants.open && d.finished {
			return true, d.failure
		}
		return !d.wants.open, nil
	})
}

// AwaitLength waits until the log has length blocks. It returns false if nothing more comes, or ctx ends, before
// that.
func (d *Download) AwaitLength(ctx context.Context, length uint64) bool {
	err := d.await(ctx, func() (bool, error) { return d.state.Length >= length || d.finished, nil })
	has, _ := d.Length()
	return err == nil && has >= length
}

// Missing returns how many of the blocks are not here.
func (d *Download) Missing(ctx context.Context, blocks BlockRange) (missing uint64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for at := blocks.First; at < blocks.End; {
		start, end := blocks.End, blocks.End // the next range in the store
		if d.view != nil {
			from, to, ok, err := d.view.Have(ctx, at)
			if err != nil {
				return 0, err
			}
			if ok {
				start, end = min(from, blocks.End), min(to, blocks.End)
			}
		}
		missing += start - at - d.inMemory(at, start)
		at = end
	}
	return missing, nil
}

// inMemory counts the blocks in memory from start up to, but not including, end. d.mu is held.
func (d *Download) inMemory(start, end uint64) (count uint64) {
	if end-start > uint64(len(d.blocks)) {
		for block := range d.blocks {
			if start <= block && block < end {
				count++
			}
		}
		return count
	}
	for block := start; block < end; block++ {
		if _, ok := d.blocks[block]; ok {
			count++
		}
	}
	return count
}

// markRead records that a block that stays, because it is not saved yet, was read. d.mu is held.
func (d *Download) markRead(block uint64) {
	h := d.blocks[block]
	if h.read {
		return
	}
	h.read = true
	d.blocks[block] = h
	d.unread -= cost(h.data)
	d.countRead(cost(h.data))
}

// maxScattered is how many tree nodes a scattered reader without a store holds. Beyond that it forgets all but the
// roots: a proof that builds on a forgotten node brings it again.
const maxScattered = 64 << 10

// pruneScattered bounds the nodes in memory of a reader whose position does not tell which are no longer needed. d.mu
// is held.
func (d *Download) pruneScattered() {
	if d.scattered && d.into == nil && len(d.nodes) >= maxScattered {
		d.nodes = map[uint64]merkle.Node{}
	}
}
