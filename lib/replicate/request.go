package replicate

import (
	"context"
	"time"

	"hc/lib/hypercore"
	"hc/lib/merkle"
)

// asked is one request under way, or answered by a proof that is parked.
type asked struct {
	request  merkle.Request
	session  *session
	at       time.Time // when it was asked
	probe    bool      // asks for a head from nothing, to tell a rewritten log from a bad peer
	question *question // instead of request: for many blocks or leaf hashes
	checks   []uint64  // blocks that are not asked for until this has brought their leaf hashes
	climb              // of the block or hash
	bytes    int       // expected of its answer
}

// each calls do for every block that it asks for, or for whose leaf hash.
func (a *asked) each(do func(block uint64)) {
	switch {
	case a.question != nil:
		a.question.each(do)
	case a.checks != nil:
		for _, block := range a.checks {
			do(block)
		}
	case a.request.Block != nil:
		do(a.request.Block.Index)
	}
}

// underWay is what the requests under way, and those whose answers are parked, ask for and bring. A request takes away
// what it added.
type underWay struct {
	nodes  expected
	blocks map[uint64]bool
	bytes  int // expected of the answers
}

func newUnderWay() underWay {
	return underWay{nodes: expected{}, blocks: map[uint64]bool{}}
}

func (u *underWay) add(a *asked) {
	u.nodes.add(a.brings)
	u.bytes += a.bytes
	a.each(func(block uint64) { u.blocks[block] = true })
}

func (u *underWay) remove(a *asked) {
	u.nodes.remove(a.brings)
	u.bytes -= a.bytes
	a.each(func(block uint64) { delete(u.blocks, block) })
}

// climb is a way up the tree from a node.
type climb struct {
	levels uint64
	anchor uint64   // the node that the proof climbs to, which must be known when it is verified
	known  bool     // the anchor is known already, not only on its way
	size   uint64   // bytes below the anchor, if it is known
	brings []uint64 // tree nodes that will be known once the answer has verified
}

// expected counts for each tree node the requests under way that will bring it, so that no hash is asked for twice.
type expected map[uint64]int

func (e expected) add(nodes []uint64) {
	for _, node := range nodes {
		e[node]++
	}
}

func (e expected) remove(nodes []uint64) {
	for _, node := range nodes {
		if e[node]--; e[node] <= 0 {
			delete(e, node)
		}
	}
}

// climb plans a proof of tree node n in a log of length blocks: how many levels to prove, up to which anchor, and the
// nodes that this brings.
func (e expected) climb(ctx context.Context, d *hypercore.Download, n, length uint64) climb {
	c := climb{anchor: n}
	c.levels = merkle.NodesFor(n, length, func(index uint64) bool {
		if e[index] > 0 {
			return true
		}
		node, err := d.Peek(ctx, index)
		if err == nil {
			c.known, c.size = true, node.Size
		}
		return err == nil
	})
	for range c.levels {
		c.brings = append(c.brings, c.anchor, merkle.Sibling(c.anchor))
		c.anchor = merkle.Parent(c.anchor)
	}
	return c
}
