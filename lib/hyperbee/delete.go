package hyperbee

import (
	"context"
	"slices"
)

// minKeys is the smallest number of keys in a node other than the root.
const minKeys = maxKeys / 2

// Delete removes a key. It does nothing if the tree does not have the key.
func (b *Batch) Delete(ctx context.Context, key []byte) (found bool, err error) {
	if err := b.begin(ctx); err != nil {
		return false, err
	}
	found, err = b.delete(ctx, slices.Clip(key))
	return found, b.fail(err)
}

func (b *Batch) delete(ctx context.Context, key []byte) (found bool, err error) {
	w, i, hit, err := b.search(ctx, key)
	if err != nil || !hit {
		return false, err
	}
	if w.end().leaf() {
		w.end().keys = slices.Delete(w.end().keys, i, i+1)
	} else if w, err = b.replace(ctx, w, i); err != nil {
		return false, err
	}
	for _, n := range w {
		n.changed = true
	}
	if b.root, err = b.rebalance(ctx, w); err != nil {
		return false, err
	}
	b.finish(key, nil)
	return true, nil
}

// replace puts the key before or after key i of an inner node in its place, and returns the way to the leaf that it
// came from: the one with more keys, or else the left.
func (b *Batch) replace(ctx context.Context, w way, i int) (way, error) {
	n := w.end()
	left, err := b.leaf(ctx, slices.Clone(w), i, true)
	if err != nil {
		return nil, err
	}
	right, err := b.leaf(ctx, slices.Clone(w), i+1, false)
	if err != nil {
		return nil, err
	}
	if l, r := left.end(), right.end(); len(l.keys) < len(r.keys) {
		n.keys[i] = r.keys[0]
		r.keys = slices.Delete(r.keys, 0, 1)
		return right, nil
	}
	l, last := left.end(), len(left.end().keys)-1
	n.keys[i] = l.keys[last]
	l.keys = l.keys[:last]
	return left, nil
}

// leaf extends the way by child i of its end, down to the last leaf below that, or the first one.
func (b *Batch) leaf(ctx context.Context, w way, i int, last bool) (way, error) {
	w, err := b.descend(ctx, w, i)
	for err == nil && !w.end().leaf() {
		i := 0
		if last {
			i = len(w.end().children) - 1
		}
		w, err = b.descend(ctx, w, i)
	}
	return w, err
}

// rebalance goes up from the end of the way: it gives nodes that have become too small a key of a sibling, or merges
// the two. It returns the root.
func (b *Batch) rebalance(ctx context.Context, w way) (root *draft, err error) {
	root = w[0]
	for len(w) > 1 {
		n := w.end()
		if len(n.keys) >= minKeys {
			return root, nil
		}
		w = w[:len(w)-1]
		done, err := b.refill(ctx, w.end(), n)
		if err != nil || done {
			return root, err
		}
	}
	if len(root.keys) == 0 && !root.leaf() {
		return b.child(ctx, root, 0)
	}
	return root, nil
}

// refill gives n, a child of parent, a sibling's key. If neither sibling has one to spare, it merges n with one of
// them, which takes a key from the parent; then done is false.
func (b *Batch) refill(ctx context.Context, parent, n *draft) (done bool, err error) {
	at := slices.IndexFunc(parent.children, func(e *edge) bool { return e.node == n })
	left, err := b.sibling(ctx, parent, n, at-1)
	if err != nil {
		return false, err
	}
	if left != nil && len(left.keys) > minKeys {
		borrowLeft(parent, at, left, n)
		return true, nil
	}
	right, err := b.sibling(ctx, parent, n, at+1)
	if err != nil {
		return false, err
	}
	if right != nil && len(right.keys) > minKeys {
		borrowRight(parent, at, n, right)
		return true, nil
	}
	if left != nil {
		merge(parent, at-1, left, n)
	} else {
		merge(parent, at, n, right)
	}
	return false, nil
}

// sibling returns child i of parent, nil if there is none. It is next to n, and must have children if n has.
func (b *Batch) sibling(ctx context.Context, parent, n *draft, i int) (*draft, error) {
	if i < 0 || i >= len(parent.children) {
		return nil, nil
	}
	sibling, err := b.child(ctx, parent, i)
	if err == nil && sibling.leaf() != n.leaf() {
		err = corrupt("leaves at different depths")
	}
	return sibling, err
}

// borrowLeft moves the last key of the left sibling up to the parent, and the key between them down to n.
func borrowLeft(parent *draft, at int, left, n *draft) {
	left.changed = true
	last := len(left.keys) - 1
	n.keys = slices.Insert(n.keys, 0, parent.keys[at-1])
	parent.keys[at-1] = left.keys[last]
	left.keys = left.keys[:last]
	if last := len(left.children) - 1; last >= 0 {
		n.children = slices.Insert(n.children, 0, left.children[last])
		left.children = left.children[:last]
	}
}

// borrowRight moves the first key of the right sibling up to the parent, and the key between them down to n.
func borrowRight(parent *draft, at int, n, right *draft) {
	right.changed = true
	n.keys = append(n.keys, parent.keys[at])
	parent.keys[at] = right.keys[0]
	right.keys = slices.Delete(right.keys, 0, 1)
	if !right.leaf() {
		n.children = append(n.children, right.children[0])
		right.children = slices.Delete(right.children, 0, 1)
	}
}

// merge joins a, key i of the parent, and b, which is child i+1, into a.
func merge(parent *draft, i int, a, b *draft) {
	a.changed = true
	a.keys = append(append(a.keys, parent.keys[i]), b.keys...)
	a.children = append(a.children, b.children...)
	parent.keys = slices.Delete(parent.keys, i, i+1)
	parent.children[i+1].seq = 0 // the block that has b does not write it, see Flush
	parent.children = slices.Delete(parent.children, i+1, i+2)
}
