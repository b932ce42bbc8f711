package hyperbee

import (
	"context"
	"fmt"
)

// finish ends an operation: every node that it changed becomes one of its block's, depth first, parents before
// children.
func (b *Batch) finish(key, value []byte) {
	c := change{key: key, value: value}
	seq := b.next()
	c.number(seq, b.root)
	c.nodes[0] = &edge{pointer: pointer{seq: seq}, node: b.root}
	if last := len(b.pending) - 1; last >= 0 {
		b.pending[last].nodes[0] = nil // a root that no version begins with
	}
	b.pending = append(b.pending, c)
}

// number gives n, and the changed nodes below it, offsets in block seq. It returns the offset of n.
func (c *change) number(seq uint64, n *draft) (offset uint64) {
	offset = uint64(len(c.nodes))
	c.nodes = append(c.nodes, nil)
	n.changed = false
	for _, child := range n.children {
		if child.node != nil && child.node.changed {
			child.seq = seq
			child.offset = c.number(seq, child.node)
			c.nodes[child.offset] = child
		}
	}
	return offset
}

// Flush returns the batch's blocks, which have to become one append, and ends the batch. There are none if nothing
// changed.
func (b *Batch) Flush(ctx context.Context) ([][]byte, error) {
	if b.err == nil {
		b.err = ctx.Err()
	}
	if b.err != nil {
		return nil, b.err
	}
	blocks := make([][]byte, 0, len(b.pending))
	for i := range b.pending {
		c := &b.pending[i]
		seq := b.tree.version + uint64(i)
		if i < len(b.pending)-1 {
			c.drop(seq)
		}
		block := c.encode()
		if len(block) > maxBlock {
			return nil, b.fail(fmt.Errorf("key %.300q: %w: its block has %d bytes, and %d are the limit", c.key, ErrTooLarge, len(block), maxBlock))
		}
		blocks = append(blocks, block)
		*c = change{}
	}
	b.root, b.pending, b.err = nil, nil, errFlushed
	return blocks, nil
}

// drop omits the nodes that a later block has rewritten: the last node takes the place of such a node. References to
// a node that has moved follow it, as they share its edge. One kind stays although nothing refers to it: a node that
// became the root when the tree got lower, since its edge was not updated. Readers never reach it.
func (c *change) drop(seq uint64) {
	for i := 0; i < len(c.nodes); {
		if e := c.nodes[i]; e != nil && e.seq == seq {
			e.offset = uint64(i)
			i++
			continue
		}
		last := len(c.nodes) - 1
		c.nodes[i] = c.nodes[last]
		c.nodes = c.nodes[:last]
	}
}

func (c *change) encode() []byte {
	levels := make([][]byte, len(c.nodes))
	for i, e := range c.nodes {
		levels[i] = e.node.level()
	}
	return encodeBlock(levels, c.key, c.value)
}
