package hypercore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"hc/lib/store"
)

// heldLooks is how many ranges of blocks are looked at for the largest ones.
const heldLooks = 4096

// HeldBlock returns a block that the store held when it was looked at last, which is to be compared. store.ErrBlockMissing if it is not
// here any more.
func (d *Download) HeldBlock(ctx context.Context, block uint64) ([]byte, error) {
	d.mu.Lock()
	view := d.view
	d.mu.Unlock()
	if view == nil {
		return nil, fmt.Errorf("block %d of core %v: %w", block, d.key, store.ErrBlockMissing)
	}
	return view.Block(ctx, block)
}

// HeldLength returns how many bytes a block has that the store held when it was looked at last. store.ErrBlockMissing or
// merkle.ErrNodeMissing if that is not known.
func (d *Download) HeldLength(ctx context.Context, block uint64) (int, error) {
	d.mu.Lock()
	view := d.view
	d.mu.Unlock()
	if view == nil {
		return 0, fmt.Errorf("block %d of core %v: %w", block, d.key, store.ErrBlockMissing)
	}
	leaf, err := view.Node(ctx, 2*block)
	return int(leaf.Size), err
}

// Held returns the largest ranges of blocks that the store holds of the core, at most so many, ascending and apart from one
// another.
func (d *Download) Held(ctx context.Context, most int) (held []BlockRange, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.view == nil {
		return nil, nil
	}
	length := min(d.view.Head().Length, d.state.Length)
	for at := uint64(0); at < length && len(held) < heldLooks; {
		start, end, ok, err := d.view.Have(ctx, at)
		if err != nil {
			return nil, err
		}
		if !ok || start >= length {
			break
		}
		at = min(end, length)
		held = append(held, BlockRange{start, at})
	}
	slices.SortFunc(held, func(a, b BlockRange) int { return cmp.Compare(b.End-b.First, a.End-a.First) })
	held = held[:min(len(held), most)]
	slices.SortFunc(held, func(a, b BlockRange) int { return cmp.Compare(a.First, b.First) })
	return held, nil
}
