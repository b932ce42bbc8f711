package store

import (
	"context"
	"errors"
	"slices"

	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/treetable"
)

// rescue writes to the log what an old view of a core knows beyond it.
type rescue struct {
	checker *Checker
	ctx     context.Context
	old     *View
	roots   []merkle.Node // of its head
	tx      *Tx
	changes bool
}

func (r *rescue) run() error {
	manifest := r.old.Manifest()
	if verifyHead(r.old.key, manifest, r.old.head) != nil {
		return nil // what it knows is not to be trusted
	}
	tx, err := r.checker.store.Begin(r.ctx, r.old.key, TxOptions{Manifest: manifest, Durable: true})
	if err != nil {
		return err
	}
	defer tx.Abort()
	r.tx = tx
	now := tx.view.head
	if now.Fork > r.old.head.Fork {
		return nil // it is the past
	}
	longer := r.old.head.Fork > now.Fork || r.old.head.Length > now.Length
	if longer && r.old.head.Fork > now.Fork && now.Length > 0 {
		return nil // the log cannot be told to have been cut back by it
	}
	if same, err := r.sameHistory(now); !same || err != nil {
		return err
	}
	r.changes = longer || tx.view.core == nil || tx.view.Manifest() == nil && manifest != nil
	if err := r.contents(); err != nil {
		return err
	}
	if !r.changes {
		return nil
	}
	if !longer {
		return tx.Commit(r.ctx, nil)
	}
	return tx.Commit(r.ctx, func() (Head, error) { return r.old.head, nil })
}

// sameHistory reports whether nothing that both know says that the old head is of another history than the log has: two that one key
// signed are not to be mixed.
func (r *rescue) sameHistory(now Head) (bool, error) {
	if now.Length == r.old.head.Length && now.Length > 0 {
		return now.TreeHash == r.old.head.TreeHash, nil
	}
	for _, index := range merkle.FullRoots(min(now.Length, r.old.head.Length)) {
		was, errWas := r.old.Node(r.ctx, index)
		is, errIs := r.tx.view.Node(r.ctx, index)
		if err := errors.Join(passOver(errWas), passOver(errIs)); err != nil {
			return false, err
		}
		if errWas == nil && errIs == nil && !was.Hint && !is.Hint && !merkle.Same(was, is) {
			return false, nil
		}
	}
	return true, nil
}

// contents stores again what the old head, which is signed, vouches for.
func (r *rescue) contents() (err error) {
	r.roots, err = r.old.Roots(r.ctx)
	if err != nil || merkle.TreeHash(r.roots) != r.old.head.TreeHash {
		return passOver(err) // what is above the blocks is not to be trusted, so nor are they
	}
	if err := r.blocks(); err != nil {
		return err
	}
	return r.tree()
}

// blocks stores the blocks again that the log does not have, and the nodes of those that cannot be read.
func (r *rescue) blocks() error {
	for at := uint64(0); ; {
		first, end, ok, err := r.old.Have(r.ctx, at)
		if err != nil || !ok {
			return err
		}
		for block := first; block < end; block++ {
			if err := r.block(block); err != nil {
				return err
			}
		}
		at = end
	}
}

func (r *rescue) block(block uint64) error {
	if held, err := r.tx.view.Has(r.ctx, block); held || err != nil {
		return err
	}
	leaf, err := r.old.Node(r.ctx, 2*block)
	if err != nil {
		return passOver(err)
	}
	if _, tied, err := r.tie(leaf); !tied || err != nil {
		return err
	}
	data, err := r.old.Block(r.ctx, block)
	if err == nil && hash.Leaf(data) == leaf.Hash {
		r.changes = true
		return r.tx.Put(r.ctx, block, leaf.Hash, data)
	}
	if err := passOver(err); err != nil {
		return err
	}
	r.changes = true
	return r.tx.Nodes(r.ctx, []merkle.Node{leaf})
}

// tree writes the nodes again that the log does not have: the old head's roots, which no peer may tell who lacks the same
// blocks, and what ties to them the blocks that are held.
func (r *rescue) tree() error {
	for _, root := range r.roots {
		if err := r.node(root); err != nil {
			return err
		}
	}
	for at := uint64(0); ; {
		first, end, ok, err := r.old.Have(r.ctx, at)
		if err != nil || !ok {
			return err
		}
		if err := r.edge(first); err != nil {
			return err
		}
		if err := r.edge(end - 1); err != nil { // between the two, all follows from the blocks
			return err
		}
		at = end
	}
}

// edge writes the siblings again on the way from a block to its root.
func (r *rescue) edge(block uint64) error {
	leaf, err := r.old.Node(r.ctx, 2*block)
	if err != nil {
		return passOver(err)
	}
	siblings, tied, err := r.tie(leaf)
	if !tied || err != nil {
		return err
	}
	for _, sibling := range siblings {
		if err := r.node(sibling); err != nil {
			return err
		}
	}
	return nil
}

// tie reports whether a node is in the tree of the old head, by the siblings on its way to a root, which it returns.
func (r *rescue) tie(n merkle.Node) (siblings []merkle.Node, tied bool, err error) {
	root := func() int {
		return slices.IndexFunc(r.roots, func(root merkle.Node) bool { return root.Index == n.Index })
	}
	for root() < 0 {
		sibling, err := r.sibling(n)
		if err != nil {
			return nil, false, passOver(err)
		}
		if n.Size+sibling.Size > merkle.MaxBytes {
			return nil, false, nil
		}
		siblings = append(siblings, sibling)
		n = treetable.ParentOf(n, sibling)
	}
	return siblings, merkle.Same(r.roots[root()], n), nil
}

// sibling returns a node's, of which a hint is as good as any: the root tells.
func (r *rescue) sibling(n merkle.Node) (merkle.Node, error) {
	index := merkle.Sibling(n.Index)
	sibling, err := r.old.Node(r.ctx, index)
	if err != nil && passOver(err) == nil {
		return r.tx.view.Node(r.ctx, index)
	}
	return sibling, err
}

// node writes a node again if the log does not have it.
func (r *rescue) node(n merkle.Node) error {
	_, err := r.tx.view.Node(r.ctx, n.Index)
	if err == nil {
		return nil
	}
	if err := passOver(err); err != nil {
		return err
	}
	r.changes = true
	return r.tx.Nodes(r.ctx, []merkle.Node{n})
}

// passOver returns nil for what is damaged.
func passOver(err error) error {
	if isGone(err) || errors.Is(err, merkle.ErrNodeMissing) {
		return nil
	}
	return err
}
