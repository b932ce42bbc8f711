package store

import (
	"context"
	"errors"
	"slices"

	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/treetable"
)

// rescue writes to the log what an old view of a core knows and the log does not.
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
		return nil // what it knows cannot be trusted
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
		return nil // the old files cannot make the log look cut back
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

// sameHistory reports whether nothing that both know shows the old head to be of another history than the log's: two
// histories that one key signed must not be mixed.
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

// contents stores again what the signed old head vouches for.
func (r *rescue) contents() (err error) {
	r.roots, err = r.old.Roots(r.ctx)
	if err != nil || merkle.TreeHash(r.roots) != r.old.head.TreeHash {
		return passOver(err) // the nodes above the blocks cannot be trusted, and so neither can the blocks
	}
	if err := r.blocks(); err != nil {
		return err
	}
	return r.tree()
}

// blocks stores again the blocks that the log lacks, and the nodes of those that cannot be read.
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

// tree writes again the nodes that the log lacks: the old head's roots, which a peer that lacks the same blocks may not
// have, and the nodes that tie the blocks held to these.
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
		if err := r.edge(end - 1); err != nil { // everything between the two follows from the blocks
			return err
		}
		at = end
	}
}

// edge writes again the siblings on the way from a block to its root.
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

// tie reports whether a node is in the tree of the old head. It returns the siblings on the way to the root, which show
// it.
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

// sibling returns a node's sibling. A hint will do: the root confirms it.
func (r *rescue) sibling(n merkle.Node) (merkle.Node, error) {
	index := merkle.Sibling(n.Index)
	sibling, err := r.old.Node(r.ctx, index)
	if err != nil && passOver(err) == nil {
		return r.tx.view.Node(r.ctx, index)
	}
	return sibling, err
}

// node writes a node again if the log lacks it.
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

// passOver returns nil for errors that mean damage.
func passOver(err error) error {
	if isGone(err) || errors.Is(err, merkle.ErrNodeMissing) {
		return nil
	}
	return err
}
