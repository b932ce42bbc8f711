package merkle

import "fmt"

// Subtree hashes the leaves of one whole subtree, level by level, and returns its root. It calls emit with each node
// below the root, those of a level from left to right. It panics if the number of leaves, or the first of them, does
// not fit a subtree.
func Subtree(leaves []Node, emit func(Node)) Node {
	first, count := leaves[0].Index/2, uint64(len(leaves))
	if count&(count-1) != 0 || first&(count-1) != 0 {
		panic(fmt.Sprintf("merkle: internal error: %d leaves from block %d on are no subtree", count, first))
	}
	var l level
	l.begin(first, leaves)
	for l.len() > 1 {
		for i := range l.len() {
			emit(l.node(i))
		}
		l.climb()
	}
	return l.node(0)
}
