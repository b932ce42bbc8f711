package proof

import "hc/lib/merkle"

// A stream of a folder brings blocks from various places of a log. What its reader knows of the log's tree before a
// group depends only on the last group: the roots, and the children of each node on the way from a root to that
// group's end. Both sides work it out here, from numbers alone.

// position is the place in a log that a stream has reached.
type position struct {
	roots      []uint64 // of the head
	begun      bool     // a group of the log has come
	first, end uint64   // the last group
}

func newPosition(length uint64) position { return position{roots: merkle.FullRoots(length)} }

// moved returns the position after a group.
func (p position) moved(first, end uint64) position {
	return position{roots: p.roots, begun: true, first: first, end: end}
}

// known returns the lowest known node above block i: a group that begins there is hashed up to it.
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

// holds reports whether a node that was known, or was met in the last group, is still known.
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
