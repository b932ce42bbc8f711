package hyperbee

import (
	"bytes"
	"context"
)

// A cursor walks a tree in the order of its keys, or backwards. It holds the path from the root to the current node,
// and returns the next item: a child, to be entered or skipped, or a key.
//
// Each key that is read is checked to be in ascending order. As every node but an empty root has a key, no walk meets
// a node twice.
type cursor struct {
	tree    *Tree
	reverse bool
	path    []frame
	last    []byte // the last key read
	met     bool   // a key has been read
	height  int    // nodes from the root to a leaf; 0: not known yet
}

type frame struct {
	node
	at   pointer
	held *block // nil if it is too large
	next int    // 2i: child i, 2i+1: key i
}

// item is the next item of a walk: a child or a key.
type item struct {
	isChild bool
	child   pointer
	key     uint64 // block
}

func newCursor(t *Tree, reverse bool) *cursor {
	return &cursor{tree: t, reverse: reverse, path: make([]frame, 0, 8)}
}

// block returns block seq: from the path if it is there, else by reading it.
func (c *cursor) block(ctx context.Context, seq uint64) (*block, error) {
	for i := range c.path {
		if held := c.path[i].held; held != nil && held.seq == seq {
			return held, nil
		}
	}
	return c.tree.read(ctx, seq)
}

// push enters a node, at the end where the walk begins.
func (c *cursor) push(ctx context.Context, at pointer) error {
	if len(c.path) == maxDepth {
		return corrupt("block %d: node %d: the tree is deeper than %d nodes", at.seq, at.offset, maxDepth)
	}
	b, err := c.block(ctx, at.seq)
	if err != nil {
		return err
	}
	n, err := b.node(at.offset)
	if err != nil {
		return err
	}
	if err := n.check(at, len(c.path) == 0); err != nil {
		return err
	}
	f := frame{node: n, at: at}
	if b.size <= MaxHeld {
		f.held = b
	}
	if c.reverse {
		f.next = 2 * n.keyCount
	}
	c.path = append(c.path, f)
	if expecter, ok := c.tree.blocks.(Expecter); ok {
		expecter.Expect(f.seqs())
	}
	return c.checkHeight()
}

// checkHeight refuses leaves at different depths.
func (c *cursor) checkHeight() error {
	top := c.top()
	if top.leaf() && c.height == 0 {
		c.height = len(c.path)
	}
	if c.height != 0 && top.leaf() != (len(c.path) == c.height) {
		return corrupt("block %d: node %d: leaves at different depths", top.at.seq, top.at.offset)
	}
	return nil
}

func (c *cursor) top() *frame { return &c.path[len(c.path)-1] }

// first moves to the first key of the tree, or the last one in a reverse walk.
func (c *cursor) first(ctx context.Context) error {
	root, ok := c.tree.root()
	if !ok {
		return nil
	}
	return c.push(ctx, root)
}

// seek moves to where key is or would be: if inclusive, key is next, else the key that follows it. found is key's
// block, nil if the tree does not have it.
func (c *cursor) seek(ctx context.Context, key []byte, inclusive bool) (found *block, err error) {
	if err := c.first(ctx); err != nil {
		return nil, err
	}
	var low, high []byte // nearest keys read on either side
	for len(c.path) > 0 {
		lo, hi := 0, c.top().keyCount
		for lo < hi {
			mid := (lo + hi) / 2
			b, err := c.block(ctx, c.top().keySeqs[mid])
			if err != nil {
				return nil, err
			}
			if low != nil && bytes.Compare(b.key, low) <= 0 || high != nil && bytes.Compare(b.key, high) >= 0 {
				return nil, c.unordered(b)
			}
			switch order := bytes.Compare(b.key, key); {
			case order == 0:
				c.found(mid, inclusive, low, high)
				return b, nil
			case order < 0:
				lo, low = mid+1, b.key
			default:
				hi, high = mid, b.key
			}
		}
		if c.top().leaf() {
			c.stand(lo)
			break
		}
		if err := c.descend(ctx, lo); err != nil {
			return nil, err
		}
	}
	c.setLast(low, high)
	return nil, nil
}

// found moves to key i of the current node, or past it.
func (c *cursor) found(i int, inclusive bool, low, high []byte) {
	c.top().next = 2*i + 1
	c.setLast(low, high)
	if !inclusive {
		c.advance()
	}
}

// stand moves to key i, before which the wanted key would be.
func (c *cursor) stand(i int) {
	c.top().next = 2*i + 1
	if c.reverse {
		c.top().next = 2*i - 1
	}
}

// descend enters child i, after which the walk continues with the key beside it.
func (c *cursor) descend(ctx context.Context, i int) error {
	c.stand(i)
	return c.push(ctx, c.top().pointers[i])
}

func (c *cursor) setLast(low, high []byte) {
	c.last = low
	if c.reverse {
		c.last = high
	}
	c.met = c.last != nil
}

// peek returns the next item.
func (c *cursor) peek() (next item, ok bool) {
	for len(c.path) > 0 {
		f := c.top()
		if f.next < 0 || f.next > 2*f.keyCount {
			c.path = c.path[:len(c.path)-1]
			continue
		}
		if f.next%2 == 1 {
			return item{key: f.keySeqs[f.next/2]}, true
		}
		if !f.leaf() {
			return item{isChild: true, child: f.pointers[f.next/2]}, true
		}
		c.advance()
	}
	return item{}, false
}

// advance skips the next item.
func (c *cursor) advance() {
	if c.reverse {
		c.top().next--
	} else {
		c.top().next++
	}
}

// enter enters the child that is next.
func (c *cursor) enter(ctx context.Context, child pointer) error {
	c.advance()
	return c.push(ctx, child)
}

// key reads the key that is next, which stays next.
func (c *cursor) key(ctx context.Context, seq uint64) (*block, error) {
	b, err := c.block(ctx, seq)
	if err == nil {
		err = c.checkOrder(b)
	}
	return b, err
}

// checkOrder refuses a key that does not follow the last one.
func (c *cursor) checkOrder(b *block) error {
	if !c.met {
		return nil
	}
	if order := bytes.Compare(b.key, c.last); order == 0 || (order > 0) == c.reverse {
		return c.unordered(b)
	}
	return nil
}

// pass moves past the next key, which has been read.
func (c *cursor) pass(b *block) {
	c.last, c.met = b.key, true
	c.advance()
}

func (c *cursor) unordered(b *block) error {
	at := c.top().at
	return corrupt("block %d: node %d: the key of block %d, %.300q, is out of order", at.seq, at.offset, b.seq, b.key)
}
