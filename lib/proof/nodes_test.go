package proof

import (
	"bytes"
	"maps"
	"math/bits"
	"slices"
	"testing"

	"hc/lib/merkle"
)

// For one block, a stream carries at most ceil(log2 n) + popcount(n) nodes.
func TestNodesOfOneBlock(t *testing.T) {
	l := newLog(t, numbered(1100)...)
	for n := uint64(1); n <= 1100; n += 1 + n/24 {
		for block := uint64(0); block < n; block += 1 + n/16 {
			l.heads = []uint64{n}
			c := Claim{Kind: KindBlocks, From: block, To: block}
			s := l.stream(t, WriteOptions{Claim: c}, nil)
			out, sum := l.verify(t, s, Options{Claim: &c}, nil)
			if !bytes.Equal(out, l.blocks[block]) {
				t.Fatalf("block %d of %d: %q", block, n, out)
			}
			count := 0
			for _, f := range parse(t, s) {
				if f.word() == "node" {
					count++
				}
			}
			most := bits.Len64(n-1) + bits.OnesCount64(n)
			if count > most || sum.Nodes != uint64(count) {
				t.Errorf("block %d of %d: %d nodes, want at most %d; the summary says %d", block, n, count, most, sum.Nodes)
			}
		}
	}
}

// No node comes twice, and none that follows from earlier ones or from those in the same group.
func TestNoNodeTooMany(t *testing.T) {
	for _, s := range samples(t) {
		sink := &nodeCounter{sinkLog: sinkLog{t: t, log: s.log}, known: map[uint64]bool{}}
		if _, err := Verify(t.Context(), bytes.NewReader(s.stream), Options{Claim: &s.claim}, sink); err != nil {
			t.Fatal(err)
		}
		sent := 0
		for _, f := range parse(t, s.stream) {
			if f.word() == "node" {
				sent++
			}
		}
		if sent != sink.sent {
			t.Errorf("%s: %d nodes were sent, the sink got %d", s.name, sent, sink.sent)
		}
	}
}

// nodeCounter compares the nodes of each group with the known ones.
type nodeCounter struct {
	sinkLog
	known map[uint64]bool
	sent  int
}

func (c *nodeCounter) Group(g *Group) error {
	leaves := map[uint64]bool{}
	for i, b := range g.Blocks {
		index := g.First + uint64(i)
		leaves[2*index] = true
		if merkle.LeafNode(index, b).Hash != g.Leaves[i] || !bytes.Equal(b, c.log.blocks[index]) {
			c.t.Errorf("leaf hash or data of block %d is wrong", index)
		}
	}
	if len(g.Blocks) > 0 && g.Offset != uint64(len(span(c.log.blocks, 0, g.First))) {
		c.t.Errorf("the group of block %d is at byte %d", g.First, g.Offset)
	}
	for i, x := range g.Received {
		if c.known[x.Index] {
			c.t.Errorf("node %d comes again", x.Index)
		}
		without := maps.Clone(c.known)
		maps.Copy(without, leaves)
		for j, y := range g.Received {
			if i != j {
				without[y.Index] = true
			}
		}
		if closure(without)[x.Index] {
			c.t.Errorf("node %d can be computed", x.Index)
		}
	}
	c.sent += len(g.Received)
	for _, n := range slices.Concat(g.Received, g.Computed) {
		c.known[n.Index] = true
		if !n.Hint && !merkle.Same(n, c.log.nodes[n.Index]) {
			c.t.Errorf("node %d is wrong", n.Index)
		}
	}
	maps.Copy(c.known, leaves)
	c.known = closure(c.known)
	return nil
}

// closure adds the parents of all pairs of nodes in the map.
func closure(nodes map[uint64]bool) map[uint64]bool {
	for more := true; more; {
		more = false
		for x := range nodes {
			p := merkle.Parent(x)
			if nodes[x] && nodes[merkle.Sibling(x)] && !nodes[p] {
				nodes[p], more = true, true
			}
		}
	}
	return nodes
}
