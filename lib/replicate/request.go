package replicate

import (
	"context"
	"time"

	"hc/lib/hypercore"
	"hc/lib/merkle"
)

// asked is one request under way.
type asked struct {
	request merkle.Request
	session *session
	at      time.Time
	probe   bool     // asks for a head from nothing, to tell a rewritten log from a bad peer
	brings  []uint64 // tree nodes that will be known when its answer has verified
	anchor  uint64   // the node that its proof climbs to, which must be known by then; only for block and hash
}

// expected counts, for each tree node, the requests under way that will bring it, so that no hash is asked for twice.
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

// climb plans a proof of tree node n in a log of length blocks: how many levels to prove, up to which anchor, and which
// nodes that brings.
func (e expected) climb(ctx context.Context, d *hypercore.Download, n, length uint64) (levels, anchor uint64, brings []uint64) {
	levels = merkle.NodesFor(n, length, func(index uint64) bool {
		return e[index] > 0 || d.Knows(ctx, index)
	})
	brings = append(brings, n)
	anchor = n
	for range levels {
		brings = append(brings, merkle.Sibling(anchor))
		anchor = merkle.Parent(anchor)
		brings = append(brings, anchor)
	}
	return levels, anchor, brings[:len(brings)-1]
}
