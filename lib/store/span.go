package store

import (
	"hc/lib/keys"
	"hc/lib/merkle"
)

// spanBuilder gathers the blocks of an append span. Its zero value, with key and first, is empty.
type spanBuilder struct {
	key   keys.Key
	first uint64
	count uint64
	bytes int // of the meta, about
	parts []spanPart
	roots cover
}

// inRun adds the next block, which is in a run of this append.
func (b *spanBuilder) inRun(node merkle.Node, run, at uint32) {
	block := node.Index / 2
	if n := len(b.parts); n > 0 && b.parts[n-1].byLeaf == nil && b.parts[n-1].run == run && uint64(b.parts[n-1].at)+b.parts[n-1].count == uint64(at) {
		b.parts[n-1].count++
	} else {
		b.parts = append(b.parts, spanPart{first: block, count: 1, run: run, at: at})
		b.bytes += 16
	}
	b.count++
	b.roots.add(node)
}

// byLeaf adds the next block, which the store has.
func (b *spanBuilder) byLeaf(node merkle.Node) {
	ref := leafRef{node.Size, node.Hash}
	if n := len(b.parts); n > 0 && b.parts[n-1].byLeaf != nil {
		b.parts[n-1].byLeaf = append(b.parts[n-1].byLeaf, ref)
		b.parts[n-1].count++
	} else {
		b.parts = append(b.parts, spanPart{first: node.Index / 2, count: 1, byLeaf: []leafRef{ref}})
		b.bytes += 4
	}
	b.bytes += 5 + len(ref.leaf)
	b.count++
	b.roots.add(node)
}

func (b *spanBuilder) meta() []byte {
	m := spanMeta{append: true, key: b.key, first: b.first, parts: b.parts, roots: b.roots.nodes}
	return m.encode()
}

// cover is the roots of the maximal subtrees over blocks that come in ascending order.
type cover struct{ nodes []merkle.Node }

func (c *cover) add(n merkle.Node) {
	for len(c.nodes) > 0 {
		last := c.nodes[len(c.nodes)-1]
		if last.Index > n.Index || merkle.Sibling(last.Index) != n.Index || last.Size+n.Size > merkle.MaxBytes {
			break
		}
		c.nodes = c.nodes[:len(c.nodes)-1]
		n = merkle.ParentNode(last, n)
	}
	c.nodes = append(c.nodes, n)
}
