package hypercore

import (
	"context"

	"hc/lib/merkle"
)

// A scattered download is read in no order: a tree's nodes here and there, the blocks of one file and then of another. What
// its reader will come to it says with Want, so that it is there by then; what was read is let go once it is saved.

// wants is what the reader said that it will come to.
type wants struct {
	soon, later []BlockRange // not yet taken by whom asks peers
	open        bool         // something of all that was said is not settled yet
}

// BlockRange is the blocks from First to End, which is not included.
type BlockRange struct{ First, End uint64 }

// Want says that the reader will come to these blocks, behind all that it wanted before. They are asked for as far as there
// is room for what is not read; one that nobody has is passed over, until it is read.
func (d *Download) Want(blocks ...BlockRange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wants.later = append(d.wants.later, blocks...)
	d.wanted(blocks)
}

// WantSoon is Want for what the reader will come to before all that it wanted before.
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

// TakeWants returns what was wanted since the last call, for whom asks peers.
func (d *Download) TakeWants() (soon, later []BlockRange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	soon, later = d.wants.soon, d.wants.later
	d.wants.soon, d.wants.later = nil, nil
	return soon, later
}

// WantsSettled says that all that was taken with TakeWants is here, or nowhere to be had.
func (d *Download) WantsSettled() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wants.open && len(d.wants.soon)+len(d.wants.later) == 0 {
		d.wants.open = false
		d.notify()
	}
}

// AwaitWants waits until all that was wanted is here, or nowhere to be had: see Missing. It returns why nothing more comes,
// if that is before.
func (d *Download) AwaitWants(ctx context.Context) error {
	return d.await(ctx, func() (bool, error) {
		if d.wants.open && d.finished {
			return true, d.failure
		}
		return !d.wants.open, nil
	})
}

// AwaitLength waits until the log has so many blocks. It returns false if nothing more comes, or ctx has ended, before.
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
		start, end := blocks.End, blocks.End // what the store has next
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

// inMemory counts the blocks from start to end (not included) that are in memory. d.mu is held.
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

// markRead notes that a block which stays, as it is not saved yet, was read. d.mu is held.
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

// maxScattered is how many tree nodes a scattered reader without a store holds. Then it forgets all but the roots: a proof
// that builds on one of them brings it again.
const maxScattered = 64 << 10

// pruneScattered bounds the nodes in memory where no position tells which are of no more use. d.mu is held.
func (d *Download) pruneScattered() {
	if d.scattered && d.into == nil && len(d.nodes) >= maxScattered {
		d.nodes = map[uint64]merkle.Node{}
	}
}
