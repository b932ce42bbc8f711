package proof

import "hc/lib/merkle"

// A stream of a folder brings blocks of a log here and there. What its reader knows of the log's tree before a group
// depends on the last one only: the roots, and the children of each node on the way from a root to the last group's end.
// Both sides work it out here, from numbers alone.

// position is where a stream stands in a log.
type position struct {
	roots      []uint64 // of the head
	begun      bool     // a group of the log has come
	first, end uint64   // its last one
}

func newPosition(length uint64) position { return position{roots: merkle.FullRoots(length)} }

// moved returns the position behind a group.
func (p position) moved(first, end uint64) position {
	return position{roots: p.roots, begun: true, first: first, end: end}
}

// known returns the lowest node above block i that is known: what a group that begins there is hashed up to.
func (p position) known(i uint64) uint64 {
	if !p.begun {
		return crown
	}
	x := p.rootAbove(i)
	for p.open(x) {
		left, right, _ := merkle.Children(x)
		x = left
		if merkle.LastBlock(left) < i {
			x = right
		}
	}
	return x
}

// open reports whether the children of a known node are known, too: it is above the last group's end, and was not
// computed from that group's blocks alone.
func (p position) open(x uint64) bool {
	whole := p.first <= merkle.FirstBlock(x) && merkle.LastBlock(x) < p.end
	return p.ends(x) && !whole
}

// ends reports whether the last group's last block is below a node.
func (p position) ends(x uint64) bool {
	return p.first < p.end && merkle.FirstBlock(x) < p.end && p.end <= merkle.LastBlock(x)+1
}

// holds reports whether a node that was known, or was met in the last group, is known still.
func (p position) holds(x uint64) bool {
	return p.rootAbove(merkle.FirstBlock(x)) == x || p.ends(merkle.Parent(x))
}

// rootAbove returns the root that covers block i.
func (p position) rootAbove(i uint64) uint64 {
	for _, root := range p.roots {
		if i <= merkle.LastBlock(root) {
			return root
		}
	}
	return crown
}
