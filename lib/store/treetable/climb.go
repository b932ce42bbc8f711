package treetable

import "hc/lib/merkle"

// climbTogether is the most leaves that are put into the tree at once: enough to hash their parents side by side.
const climbTogether = 4096

// climbOne takes a node and computes what follows from it: the parents whose two children are known. get returns nodes
// that are known, set takes new ones and those whose size became certain.
//
// A node that is hashed from two children of certain size is certain. So is a child of a certain parent whose sibling
// is certain: its size is the parent's minus the sibling's.
func climbOne(n merkle.Node, get func(uint64) (merkle.Node, bool, error), set func(merkle.Node)) error {
	for {
		old, known, err := get(n.Index)
		if err != nil {
			return err
		}
		if known && (!old.Hint || n.Hint) {
			return nil // what follows from it was found when it first came
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
			return nil // an impossible hint
		}
		parent := ParentOf(n, sibling)
		if ok && above.Hash != parent.Hash {
			return nil // a wrong hint; above was verified
		}
		parent.Hint = n.Hint || sibling.Hint
		n = parent
	}
}

// Climb adds one node, or the leaves of a whole subtree in order, to a set, with everything that follows from them and
// from known nodes. get returns known nodes by their flat-tree indexes: those of the set, and any others. Its errors
// are those of get.
//
// The nodes below the root of a subtree follow from its leaves alone, so only the root and the nodes above it are
// looked up: if a table must be asked, look-ups are most of the cost of a long span.
func Climb(leaves []merkle.Node, get func(uint64) (merkle.Node, bool, error), into *Set) error {
	if len(leaves) == 1 {
		return climbOne(leaves[0], get, into.put)
	}
	root, below := hashSubtree(leaves)
	known, ok, err := get(root.Index)
	if err != nil {
		return err
	}
	if ok && !known.Hint && known.Hash != root.Hash { // verified nodes stay
		for _, n := range leaves {
			if err := climbOne(n, get, into.put); err != nil {
				return err
			}
		}
		return nil
	}
	into.putBelow(below)
	return climbOne(root, get, into.put)
}

// InSubtrees calls take with the leaves of each whole subtree, up to climbTogether at a time. each yields the leaves,
// those of consecutive blocks in their order.
func InSubtrees(take func(leaves []merkle.Node) error, each func(leaf func(merkle.Node) error) error) error {
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

// ParentOf returns the parent of two siblings, in either order.
func ParentOf(a, b merkle.Node) merkle.Node {
	if a.Index > b.Index {
		a, b = b, a
	}
	return merkle.ParentNode(a, b)
}

// settle makes the one of two siblings whose size is a hint certain, given a certain parent.
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
	if ParentOf(a, b).Hash == parent.Hash {
		set(a)
	}
}
