package hypercore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"hc/lib/store"
)

// heldLooks is the number of ranges of blocks among which Held looks for the largest ones.
const heldLooks = 4096

// HeldBlock returns a block, not yet compared with its leaf hash, that the store held when it was last looked at.
// store.ErrBlockMissing if it is gone.
func (d *Download) HeldBlock(ctx context.Context, block uint64) ([]byte, error) {
	d.mu.Lock()
	view := d.view
	d.mu.Unlock()
	if view == nil {
		return nil, fmt.Errorf("block %d of core %v: %w", block, d.key, store.ErrBlockMissing)
	}
	return view.Block(ctx, block)
}

// HeldLength returns the size in bytes of a block that the store held when it was last looked at.
// store.ErrBlockMissing or merkle.ErrNodeMissing if that is not known.
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

// Held returns up to most of the largest ranges of the core's blocks that the store holds, ascending and apart from
// one another.
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
