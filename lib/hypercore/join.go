package hypercore

import (
	"context"
	"slices"

	"hc/lib/merkle"
)

// joined is nodes that were told, and those above them that they make with one another and with what is here. None of them is
// verified.
type joined struct {
	nodes map[uint64]merkle.Node
	hints int // of what was here and went into it
}

// listed returns what was told.
func listed(told []merkle.Node) *joined {
	j := &joined{nodes: make(map[uint64]merkle.Node, len(told))}
	for _, n := range told {
		j.nodes[n.Index] = n
	}
	return j
}

func (j *joined) all(indexes []uint64) bool {
	return !slices.ContainsFunc(indexes, func(index uint64) bool { _, ok := j.nodes[index]; return !ok })
}

// join joins nodes that were told, none of which is below another. A peer who gives fewer blocks than he was asked for tells
// the nodes over the rest, as they were asked for; where the blocks that he gave end within a subtree, its other half is
// only to be had by joining some of them. d.mu is held.
func (d *Download) join(ctx context.Context, told []merkle.Node, j *joined) {
	for _, n := range told { // the second of two siblings goes on up
		for !merkle.Contains(merkle.Parent(n.Index), 2*d.state.Length) {
			parent, ok := d.parent(ctx, j, n)
			if !ok {
				break
			}
			j.nodes[parent.Index] = parent
			n = parent
		}
	}
}

// parent makes the parent of a node that was told, or made; ok is false if its sibling is not to be had, or it is there.
func (d *Download) parent(ctx context.Context, j *joined, n merkle.Node) (parent merkle.Node, ok bool) {
	if _, there := j.nodes[merkle.Parent(n.Index)]; there {
		return parent, false
	}
	sibling, ok := j.nodes[merkle.Sibling(n.Index)]
	if !ok {
		var err error
		if sibling, err = d.node(ctx, merkle.Sibling(n.Index)); err != nil || sibling.Hint && d.strict {
			return parent, false
		}
		if sibling.Hint {
			j.hints++
		}
	}
	if n.Size > merkle.MaxBytes || sibling.Size > merkle.MaxBytes {
		return parent, false
	}
	if n.Index > sibling.Index {
		n, sibling = sibling, n
	}
	return merkle.ParentNode(n, sibling), true
}
