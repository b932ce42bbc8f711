package proof

import (
	"fmt"

	"hc/lib/merkle"
)

// climb hashes the group up to a known node, or the head, and compares. Under a new head it returns the roots.
func (v *verifier) climb(l *layout, e uint64) (roots []merkle.Node, err error) {
	c := &v.climber // several goroutines use it, so it would be allocated for each group
	*c = climber{l: l, e: e, group: &v.group, old: v.roots, split: v.split[:0], cited: v.opt.TreeHash != nil, met: v.met, offset: v.below}
	v.group.Computed = v.group.Computed[:0]
	if l.known != crown {
		k := len(v.stack) - 1
		if known := v.stack[k]; !merkle.Same(c.node(known.Index), known) {
			return nil, v.in.fail("blocks %d-%d are not what node %d is the hash of", l.first, e-1, known.Index)
		}
		v.stack = v.stack[:k]
		return nil, nil
	}
	for _, index := range merkle.FullRoots(l.length) {
		root := c.node(index)
		if merkle.LastBlock(index) < l.split {
			c.split = append(c.split, root)
		}
		roots = append(roots, root)
	}
	v.split = c.split
	return roots, v.verifyHead(roots, c.split)
}

// A climber hashes the nodes above a group.
type climber struct {
	l     *layout
	e     uint64
	group *Group
	taken int           // nodes received that have been used
	old   []merkle.Node // roots of the previous head, used from the front
	split []merkle.Node // roots of the length l.split, as far as they have been found
	cited bool          // the tree hash of the length l.split is given, and will be compared

	met    func(n merkle.Node, offset uint64) // called for each node; nil: not called
	offset uint64                             // bytes of the log before the next node, if met is set
}

// node returns node x. It is called from left to right, like layout.nodes.
func (c *climber) node(x uint64) merkle.Node {
	if c.met == nil {
		return c.hash(x)
	}
	at := c.offset
	n := c.hash(x)
	c.met(n, at)
	c.offset = at + n.Size
	return n
}

func (c *climber) hash(x uint64) merkle.Node {
	switch c.l.part(x, c.e) {
	case partOld:
		n := c.old[0]
		if n.Index != x {
			panic(fmt.Sprintf("proof: internal error: root %d where %d is needed", n.Index, x))
		}
		c.old = c.old[1:]
		return n
	case partBlocks:
		return c.inner(x)
	case partSent:
		c.taken++
		return c.group.Received[c.taken-1]
	}
	l, r, _ := merkle.Children(x)
	left := c.node(l)
	if first, end := merkle.FirstBlock(x), merkle.LastBlock(x)+1; first < c.l.split && c.l.split < end {
		if merkle.LastBlock(l) < c.l.split {
			c.split = append(c.split, left)
		}
		if !c.cited && c.l.part(l, c.e) == partSent && c.l.part(r, c.e) == partSent {
			c.group.Received[c.taken-1].Hint = true // only their sum is certain
			c.group.Received[c.taken].Hint = true
		}
	}
	parent := merkle.ParentNode(left, c.node(r))
	c.group.Computed = append(c.group.Computed, parent)
	return parent
}

// inner returns node x, all of whose blocks are in the group.
func (c *climber) inner(x uint64) merkle.Node {
	l, r, ok := merkle.Children(x)
	if !ok {
		i := x/2 - c.group.First
		return merkle.LeafNodeHash(x/2, uint64(len(c.group.Blocks[i])), c.group.Leaves[i])
	}
	if merkle.Depth(x) < splitDepth {
		return merkle.ParentNode(c.inner(l), c.inner(r))
	}
	var left merkle.Node
	done := make(chan struct{})
	go func() {
		left = c.inner(l)
		close(done)
	}()
	right := c.inner(r)
	<-done
	return merkle.ParentNode(left, right)
}

// splitDepth is the depth from which the two halves of a node are hashed at the same time: short lines cost as much
// in the tree as they do themselves.
const splitDepth = 10
