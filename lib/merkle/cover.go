package merkle

import (
	"fmt"
	"slices"
)

// Cover is the roots of the fewest whole subtrees over neighbouring blocks, from left to right: those of [Subtrees].
// Its zero value covers nothing. It is not safe for concurrent use.
type Cover struct {
	nodes []Node

	level level // of AddLeaves, reused
}

// NewCover returns a cover whose roots are nodes, which are copied.
func NewCover(nodes []Node) *Cover { return &Cover{nodes: slices.Clone(nodes)} }

// Nodes returns the roots from left to right. They belong to the cover, and are valid until something is added.
func (c *Cover) Nodes() []Node { return c.nodes }

// Add adds the node that follows the others. It does not join nodes of more than [MaxBytes] together.
func (c *Cover) Add(n Node) {
	for len(c.nodes) > 0 {
		last := c.nodes[len(c.nodes)-1]
		if last.Index > n.Index || Sibling(last.Index) != n.Index || last.Size+n.Size > MaxBytes {
			break
		}
		c.nodes = c.nodes[:len(c.nodes)-1]
		n = ParentNode(last, n)
	}
	c.nodes = append(c.nodes, n)
}

// AddLeaves is Add for the leaves of blocks that follow one another and the covered ones. It works level by level, as
// package hash hashes several parents side by side. The total is at most [MaxBytes].
func (c *Cover) AddLeaves(leaves []Node) {
	if len(leaves) == 0 {
		return
	}
	for i, leaf := range leaves {
		if leaf.Index != leaves[0].Index+2*uint64(i) || leaf.Index&1 != 0 {
			panic(fmt.Sprintf("merkle: internal error: leaf %d stands behind node %d", leaf.Index, leaves[0].Index))
		}
	}
	l := &c.level
	l.begin(leaves[0].Index/2, leaves)
	var right []Node // roots, from the right to the left
	for l.len() > 0 {
		if l.offset&1 == 1 {
			c.meetLeft(l)
		}
		if l.len()&1 == 1 {
			right = append(right, l.takeLast())
		}
		l.climb()
	}
	slices.Reverse(right)
	c.nodes = append(c.nodes, right...)
}

// meetLeft puts the sibling of a level's first node before it; if the sibling is not covered, the node is a root.
func (c *Cover) meetLeft(l *level) {
	last := len(c.nodes) - 1
	if last >= 0 && c.nodes[last].Index == Index(l.depth, l.offset-1) {
		l.prepend(c.nodes[last])
		c.nodes = c.nodes[:last]
		return
	}
	c.nodes = append(c.nodes, l.takeFirst())
}
