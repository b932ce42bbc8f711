package hypercore

import (
	"context"
	"slices"

	"hc/lib/merkle"
)

// joined is nodes that a peer sent, and the nodes above that they form with one another and with verified ones. None
// of them is verified.
type joined struct {
	nodes map[uint64]merkle.Node
	hints int // verified nodes that went into it and whose size is a hint
}

// listed returns the nodes that a peer sent, before any are joined.
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

// join joins nodes that a peer sent, none of which is below another. A peer that sends fewer blocks than it was asked
// for sends the nodes over the rest as they were asked for. If its blocks end within a subtree, the other half of
// that subtree can only be computed by joining some of these nodes. d.mu is held.
func (d *Download) join(ctx context.Context, told []merkle.Node, j *joined) {
	for _, n := range told { // the second of two siblings continues upward
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

// parent makes the parent of a node that was sent or made. ok is false if its sibling is unknown, or the parent
// exists already.
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
