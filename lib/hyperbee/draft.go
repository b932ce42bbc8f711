package hyperbee

import (
	"bytes"
	"context"
)

// A batch works on drafts: the nodes that its operations visited, in memory.

type draft struct {
	keys     []draftKey
	children []*edge // none: a leaf
	changed  bool    // since the last operation was numbered
}

// draftKey is a key and the block that holds it.
type draftKey struct {
	seq   uint64
	bytes []byte // nil: not read yet
}

// edge leads to a child. It has an identity: the child's position is recorded here, for everyone who refers to it.
type edge struct {
	pointer
	node *draft // nil: not read yet
}

func (n *draft) leaf() bool { return len(n.children) == 0 }

// level returns the node as it is encoded in a block.
func (n *draft) level() []byte {
	var l node
	for i, key := range n.keys {
		l.keySeqs[i] = key.seq
	}
	for i, child := range n.children {
		l.pointers[i] = child.pointer
	}
	l.keyCount, l.childCount = len(n.keys), len(n.children)
	return l.encode()
}

// load reads a node from a block.
func (b *Batch) load(ctx context.Context, at pointer, root bool) (*draft, error) {
	block, err := b.tree.read(ctx, at.seq)
	if err != nil {
		return nil, err
	}
	n, err := block.node(at.offset)
	if err != nil {
		return nil, err
	}
	if err := n.check(at, root); err != nil {
		return nil, err
	}
	d := &draft{}
	for _, seq := range n.keys() {
		d.keys = append(d.keys, draftKey{seq: seq})
	}
	for _, child := range n.children() {
		d.children = append(d.children, &edge{pointer: child})
	}
	return d, nil
}

// child returns child i of a node, and reads it the first time.
func (b *Batch) child(ctx context.Context, n *draft, i int) (*draft, error) {
	e := n.children[i]
	if e.node != nil {
		return e.node, nil
	}
	child, err := b.load(ctx, e.pointer, false)
	e.node = child
	return child, err
}

// find returns where key is in a node, or would be.
func (b *Batch) find(ctx context.Context, n *draft, key []byte) (i int, hit bool, err error) {
	lo, hi := 0, len(n.keys)
	for lo < hi {
		mid := (lo + hi) / 2
		at, err := b.bytes(ctx, &n.keys[mid])
		if err != nil {
			return 0, false, err
		}
		switch order := bytes.Compare(at, key); {
		case order == 0:
			return mid, true, nil
		case order < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return lo, false, nil
}

// bytes returns a key, and reads it the first time.
func (b *Batch) bytes(ctx context.Context, key *draftKey) ([]byte, error) {
	if key.bytes == nil {
		block, err := b.tree.read(ctx, key.seq)
		if err != nil {
			return nil, err
		}
		key.bytes = block.key
	}
	return key.bytes, nil
}

// A way is the nodes from the root down to some node, its end.
type way []*draft

func (w way) end() *draft { return w[len(w)-1] }

// descend extends the way by child i of its end.
func (b *Batch) descend(ctx context.Context, w way, i int) (way, error) {
	if len(w) == maxDepth {
		return nil, corrupt("the tree is deeper than %d nodes", maxDepth)
	}
	child, err := b.child(ctx, w.end(), i)
	if err != nil {
		return nil, err
	}
	return append(w, child), nil
}

// search walks from the root to the node that has a key, or to the leaf where it would be.
func (b *Batch) search(ctx context.Context, key []byte) (w way, i int, hit bool, err error) {
	w = append(b.way[:0], b.root)
	for {
		i, hit, err = b.find(ctx, w.end(), key)
		if err != nil || hit || w.end().leaf() {
			break
		}
		if w, err = b.descend(ctx, w, i); err != nil {
			break
		}
	}
	if err == nil {
		b.way = w
	}
	return w, i, hit, err
}
