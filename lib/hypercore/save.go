package hypercore

import (
	"context"
	"fmt"

	"hc/lib/merkle"
	"hc/lib/store"
)

// Unsaved returns the bytes of verified blocks that are not in the store yet, and whether there is anything to save.
func (d *Download) Unsaved() (bytes int, any bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unsaved.bytes, d.unsaved.head || len(d.unsaved.blocks) > 0
}

// Save commits what verified since the last time to the store. Without a store it does nothing.
func (d *Download) Save(ctx context.Context) error {
	d.mu.Lock()
	what, head, blocks := d.unsaved, d.head, map[uint64][]byte{}
	for _, leaf := range what.blocks {
		blocks[leaf.Index/2] = d.blocks[leaf.Index/2].data
	}
	d.mu.Unlock()
	if d.into == nil || !what.head && len(what.blocks) == 0 {
		return nil
	}
	if err := d.commit(ctx, what, head, blocks); err != nil {
		return fmt.Errorf("saving core %v: %w", d.key, err)
	}
	view, err := d.into.View(ctx, d.key, false)
	if err != nil {
		return fmt.Errorf("opening core %v: %w", d.key, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.view = view
	d.unsaved.blocks = d.unsaved.blocks[len(what.blocks):]
	d.unsaved.nodes = d.unsaved.nodes[len(what.nodes):]
	d.unsaved.bytes -= what.bytes
	d.unsaved.head = d.head.Length != head.Length
	if len(d.unsaved.nodes) == 0 {
		clear(d.nodes) // the view has them all
	}
	d.saved(what.blocks)
	d.notify()
	return nil
}

func (d *Download) commit(ctx context.Context, what unsaved, head store.Head, blocks map[uint64][]byte) error {
	tx, err := d.into.Begin(ctx, d.key, store.TxOptions{Manifest: d.auth.Manifest(), Durable: d.sync})
	if err != nil {
		return err
	}
	defer tx.Abort()
	if err := sameLog(ctx, tx.View(), what.nodes); err != nil {
		return err
	}
	if err := tx.Nodes(ctx, what.nodes); err != nil {
		return err
	}
	for _, leaf := range what.blocks {
		block := leaf.Index / 2
		held, err := tx.View().Has(ctx, block) // by another process meanwhile
		if err != nil {
			return err
		}
		if held {
			continue
		}
		if err := tx.Put(ctx, block, leaf.Hash, blocks[block]); err != nil {
			return err
		}
	}
	return tx.Commit(ctx, func() (store.Head, error) {
		if stored := tx.View().Head(); stored.Length > head.Length {
			return stored, nil // another process is ahead; the blocks are of its log, too
		}
		return head, nil
	})
}

// sameLog refuses to mix two histories that one key signed: what another process stored meanwhile must have the nodes
// that were verified here.
func sameLog(ctx context.Context, view *store.View, nodes []merkle.Node) error {
	for _, node := range nodes {
		stored, err := view.Node(ctx, node.Index)
		if err == nil && stored.Hash != node.Hash {
			return fmt.Errorf("%w: node %d of core %v in the store differs from the one that a peer proved", ErrForked, node.Index, view.Key())
		}
	}
	return nil
}

// KeepSeen keeps a signed head that does not extend what is here, so that the owner hears of it before he signs again.
func (d *Download) KeepSeen(ctx context.Context, head store.Head) error {
	if d.into == nil {
		return nil
	}
	tx, err := d.into.Begin(ctx, d.key, store.TxOptions{Manifest: d.Manifest()})
	if err != nil {
		return err
	}
	defer tx.Abort()
	if err := tx.Seen(ctx, head); err != nil {
		return err
	}
	return tx.Commit(ctx, func() (store.Head, error) { return tx.View().Head(), nil })
}

// pruneFrom is the number of nodes in memory from which it pays to look for some that nobody needs any more.
const pruneFrom = 4096

// release drops the blocks [from, to), which were read, as far as they are saved. d.mu is held.
func (d *Download) release(from, to uint64) {
	if to-from > uint64(len(d.blocks)) {
		for block, held := range d.blocks {
			if block < to && held.saved {
				delete(d.blocks, block)
			}
		}
		return
	}
	for block := from; block < to; block++ {
		if d.blocks[block].saved {
			delete(d.blocks, block)
		}
	}
}

// saved marks blocks as kept, and drops those that have been read. d.mu is held.
func (d *Download) saved(leaves []merkle.Node) {
	for _, leaf := range leaves {
		block := leaf.Index / 2
		if block < d.reader.position {
			delete(d.blocks, block)
			continue
		}
		d.blocks[block] = held{data: d.blocks[block].data, saved: true}
	}
}

// prune drops nodes that only blocks which were read needed, where the store does not keep them. d.mu is held.
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
