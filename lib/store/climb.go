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
