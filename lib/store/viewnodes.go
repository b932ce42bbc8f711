package store

import (
	"context"
	"fmt"
	"sort"

	"hc/lib/merkle"
	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

// Node returns a tree node that is held or follows from what is held, else an error wrapping merkle.ErrNodeMissing.
// Nodes above blocks beyond the head are missing.
func (v *View) Node(ctx context.Context, index uint64) (merkle.Node, error) {
	if v.core == nil || index >= 2*v.head.Length || merkle.LastBlock(index) >= v.head.Length {
		return merkle.Node{}, fmt.Errorf("node %d of core %v: %w", index, v.key, merkle.ErrNodeMissing)
	}
	n, err := again(ctx, v, func(v *View) (merkle.Node, error) {
		n, ok, err := v.known(ctx, index)
		if ok || err != nil {
			return n, err
		}
		return v.compute(ctx, index)
	})
	if err != nil {
		return merkle.Node{}, fmt.Errorf("node %d of core %v: %w", index, v.key, err)
	}
	return n, nil
}

func (v *View) known(ctx context.Context, index uint64) (merkle.Node, bool, error) {
	v.state.mu.RLock()
	n, ok := v.core.nodes.Get(index)
	v.state.mu.RUnlock()
	if ok || v.core.base == nil || merkle.LastBlock(index) >= v.core.limit {
		return n, ok, nil
	}
	return v.core.base.Node(ctx, index)
}

// compute computes a node inside a span of the tail, of which only the roots are held, from its blocks' leaf hashes.
func (v *View) compute(ctx context.Context, index uint64) (merkle.Node, error) {
	rows, ok := v.lazyRows(merkle.FirstBlock(index), merkle.LastBlock(index))
	if !ok {
		return merkle.Node{}, merkle.ErrNodeMissing
	}
	return v.computeIn(ctx, index, rows)
}

// lazyRows returns the rows that have the blocks first … last, if these are all there and their nodes must be computed.
func (v *View) lazyRows(first, last uint64) ([]blockmap.Row, bool) {
	v.state.mu.RLock()
	defer v.state.mu.RUnlock()
	rows := v.core.rows
	from := rows.Find(first)
	to := from
	for next := first; next <= last; to++ {
		if to == len(rows) {
			return nil, false
		}
		r := rows[to]
		if r.First > next || !r.Lazy || r.Seq > v.seq {
			return nil, false
		}
		next = r.End()
	}
	return append([]blockmap.Row(nil), rows[from:to]...), true
}

func (v *View) computeIn(ctx context.Context, index uint64, rows []blockmap.Row) (merkle.Node, error) {
	left, right, inner := merkle.Children(index)
	if !inner {
		i := sort.Search(len(rows), func(i int) bool { return rows[i].End() > index/2 })
		return v.leafIn(ctx, rows[i], index/2)
	}
	c := v.core
	c.computing.Lock()
	n, ok := c.computed[index]
	c.computing.Unlock()
	if ok {
		return n, nil
	}
	l, err := v.computeIn(ctx, left, rows)
	if err != nil {
		return merkle.Node{}, err
	}
	r, err := v.computeIn(ctx, right, rows)
	if err != nil {
		return merkle.Node{}, err
	}
	n = merkle.ParentNode(l, r)
	if merkle.Depth(index) >= 3 { // lower ones are computed faster than they are kept
		c.computing.Lock()
		if len(c.computed) >= maxComputed {
			clear(c.computed)
		}
		c.computed[index] = n
		c.computing.Unlock()
	}
	return n, nil
}

func (v *View) leafIn(ctx context.Context, r blockmap.Row, block uint64) (merkle.Node, error) {
	r = r.Part(block, block+1)
	if r.Kind == blockmap.Placed {
		return v.store.reader.Leaf(ctx, r.Place, block)
	}
	if r.Kind == blockmap.InPassage {
		return v.leafOfPassage(ctx, r, block)
	}
	ref, err := v.leafRef(ctx, r.Place.Run, block)
	if err != nil {
		return merkle.Node{}, err
	}
	return merkle.LeafNodeHash(block, ref.Size, ref.Leaf), nil
}

// leafOfPassage returns the leaf of a block of a passage. It is missing if no run has these blocks any more.
func (v *View) leafOfPassage(ctx context.Context, r blockmap.Row, block uint64) (n merkle.Node, err error) {
	at, err := v.passagePlace(ctx, r.Place.Run, block)
	if err == nil {
		n, err = v.store.reader.Leaf(ctx, at, block)
	}
	if isGone(err) {
		err = fmt.Errorf("%w: %w", merkle.ErrNodeMissing, err)
	}
	return n, err
}

// leafRef returns what the span record at a position says about a block that it names by leaf hash.
func (v *View) leafRef(ctx context.Context, at packlog.Position, block uint64) (records.LeafRef, error) {
	p, err := v.part(ctx, at, block)
	if err == nil && p.ByLeaf == nil {
		err = fmt.Errorf("%w: span at %v does not name block %d by its leaf hash", ErrDamaged, at, block)
	}
	if err != nil {
		return records.LeafRef{}, err
	}
	return p.ByLeaf[block-p.First], nil
}

// passagePlace returns where a block is that the span record at a position names in a passage.
func (v *View) passagePlace(ctx context.Context, at packlog.Position, block uint64) (place, error) {
	p, err := v.part(ctx, at, block)
	if err == nil && p.Passage == nil {
		err = fmt.Errorf("%w: span at %v does not name block %d in a passage", ErrDamaged, at, block)
	}
	if err != nil {
		return place{}, err
	}
	first, err := v.state.locatePassage(ctx, v.store, p.Passage)
	return place{Run: first.Run, At: first.At + uint32(block-p.First)}, err
}

// part returns the part of the span record at a position that has a block.
func (v *View) part(ctx context.Context, at packlog.Position, block uint64) (records.Part, error) {
	e, err := v.store.reader.Meta(ctx, at, packlog.KindSpan)
	if err != nil {
		return records.Part{}, err
	}
	parts := e.Span.Parts
	i := sort.Search(len(parts), func(i int) bool { return parts[i].End() > block })
	if i == len(parts) || parts[i].First > block {
		return records.Part{}, fmt.Errorf("%w: span at %v does not name block %d", ErrDamaged, at, block)
	}
	return parts[i], nil
}

// Roots returns the roots of the tree at the head's length, from left to right.
func (v *View) Roots(ctx context.Context) ([]merkle.Node, error) {
	return merkle.RootsFrom(ctx, v, v.head.Length)
}
