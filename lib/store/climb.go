package store

import (
	"hc/lib/merkle"
)

// climb takes a node and computes what follows from it: the parents whose two children are known. get returns nodes that
// are known, set takes new ones and those whose size became certain.
//
// A node that is hashed from two children of certain size is certain; so is a child under a certain parent whose
// sibling is certain: its size is what the sibling leaves of the parent's.
func climb(n merkle.Node, get func(uint64) (merkle.Node, bool, error), set func(merkle.Node)) error {
	for {
		old, known, err := get(n.Index)
		if err != nil {
			return err
		}
		if known && (!old.Hint || n.Hint) {
			return nil // what follows from it was found when it came
		}
		set(n)
		sibling, ok, err := get(merkle.Sibling(n.Index))
		if err != nil || !ok {
			return err
		}
		above, ok, err := get(merkle.Parent(n.Index))
		if err != nil {
			return err
		}
		if ok && !above.Hint {
			settle(n, sibling, above, set)
			return nil
		}
		if n.Size+sibling.Size > merkle.MaxBytes {
			return nil // a hint that cannot be
		}
		parent := parentOf(n, sibling)
		if ok && above.Hash != parent.Hash {
			return nil // a wrong hint; above was verified
		}
		parent.Hint = n.Hint || sibling.Hint
		n = parent
	}
}

// climbSubtree is climb for the leaves of a subtree. What is below its root follows from them alone, so that only the root, and what
// is above it, is looked up: where a table has to be asked, that is what a long span costs.
func climbSubtree(leaves []merkle.Node, get func(uint64) (merkle.Node, bool, error), into *nodeSet) error {
	if len(leaves) == 1 {
		return climb(leaves[0], get, into.set)
	}
	root, below := hashSubtree(leaves)
	known, ok, err := get(root.Index)
	if err != nil {
		return err
	}
	if ok && !known.Hint && known.Hash != root.Hash { // what was verified stays
		for _, n := range leaves {
			if err := climb(n, get, into.set); err != nil {
				return err
			}
		}
		return nil
	}
	into.setBelow(below)
	return climb(root, get, into.set)
}

// inSubtrees calls take with the leaves that come of each whole subtree, climbTogether at most at a time. each gives them, those
// of blocks that follow one another in their order.
func inSubtrees(take func(leaves []merkle.Node) error, each func(leaf func(merkle.Node) error) error) error {
	var leaves []merkle.Node
	flush := func() error {
		rest := leaves
		leaves = leaves[:0]
		if len(rest) == 0 {
			return nil
		}
		first := merkle.FirstBlock(rest[0].Index)
		for _, index := range merkle.Subtrees(first, first+uint64(len(rest))) {
			count := uint64(1) << merkle.Depth(index)
			if err := take(rest[:count]); err != nil {
				return err
			}
			rest = rest[count:]
		}
		return nil
	}
	err := each(func(leaf merkle.Node) error {
		if n := len(leaves); n > 0 && (leaf.Index != leaves[n-1].Index+2 || leaf.Index%(2*climbTogether) == 0) {
			if err := flush(); err != nil {
				return err
			}
		}
		leaves = append(leaves, leaf)
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

func parentOf(a, b merkle.Node) merkle.Node {
	if a.Index > b.Index {
		a, b = b, a
	}
	return merkle.ParentNode(a, b)
}

// settle makes the one of two siblings certain that is not, under a certain parent.
func settle(a, b, parent merkle.Node, set func(merkle.Node)) {
	if a.Hint == b.Hint {
		return
	}
	if b.Hint {
		a, b = b, a
	}
	if b.Size > parent.Size {
		return
	}
	a.Size, a.Hint = parent.Size-b.Size, false
	if parentOf(a, b).Hash == parent.Hash {
		set(a)
	}
}
