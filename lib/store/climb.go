package store

import (
	"hc/lib/merkle"
)

// climb takes a node and computes what follows from it: the parents whose two children are known. get returns nodes that
// are known, set takes new ones and those whose size became certain.
//
// A node that is hashed from two children of certain size is certain; so is a child under a certain parent whose
// sibling is certain.
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
		left, right := n, sibling
		if left.Index > right.Index {
			left, right = right, left
		}
		if left.Size+right.Size > merkle.MaxBytes {
			return nil
		}
		parent := merkle.ParentNode(left, right)
		above, ok, err := get(parent.Index)
		if err != nil {
			return err
		}
		if ok && !merkle.Same(above, parent) {
			return nil // only a wrong hint can do that; the parent was verified
		}
		parent.Hint = n.Hint || sibling.Hint
		if ok && !above.Hint {
			parent.Hint = false // so both children are certain where one is
			if n.Hint != sibling.Hint {
				n.Hint, sibling.Hint = false, false
				set(n)
				set(sibling)
			}
		}
		n = parent
	}
}
