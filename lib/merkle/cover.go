package merkle

import (
	"fmt"
	"slices"
)

// Cover is the roots of the fewest whole subtrees over neighbouring blocks, wherever they begin, from left to right: those
// of [Subtrees]. Its zero value covers nothing. Not for concurrent use.
type Cover struct {
	nodes []Node

	level level // of AddLeaves, reused
}

// NewCover returns a cover of what nodes cover, which are its roots; they are copied.
func NewCover(nodes []Node) *Cover { return &Cover{nodes: slices.Clone(nodes)} }

// Nodes returns the roots from left to right. They are the cover's own, until something is added.
func (c *Cover) Nodes() []Node { return c.nodes }

// Add adds a node that stands behind the others. What is over [MaxBytes] together is not joined.
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

// AddLeaves is Add for the leaves of blocks that follow one another and what is covered, level by level: package hash works
// on several parents side by side. All of it is at most [MaxBytes].
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

// meetLeft puts the sibling of a level's first node in front of it; where it is not covered, the node is a root.
func (c *Cover) meetLeft(l *level) {
	last := len(c.nodes) - 1
	if last >= 0 && c.nodes[last].Index == Index(l.depth, l.offset-1) {
		l.prepend(c.nodes[last])
		c.nodes = c.nodes[:last]
		return
	}
	c.nodes = append(c.nodes, l.takeFirst())
}
