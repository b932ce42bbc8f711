package replicate

import (
	"hc/lib/hypercore"
	"hc/lib/merkle"
	"hc/lib/objects"
)

// A reader of a log's second version has most of its blocks from the first one. He is told which, in place of leaf hashes.

// tail is where the last answer ended, and its last copy: the next question most often goes on there.
type tail struct{ block, near uint64 }

func (g *giver) giveCopies(snapshot *hypercore.Snapshot, m objects.AskCopies) error {
	answer, err := g.copies(snapshot, m)
	if err != nil {
		return err
	}
	return g.sendLeaves(objects.TypeCopies, answer, answer.Leaves, answer.Nodes)
}

func (g *giver) copies(snapshot *hypercore.Snapshot, m objects.AskCopies) (answer objects.Copies, err error) {
	last := m.Held[len(m.Held)-1]
	if err := g.check(snapshot.Head(), m.Fork, last.First+last.Count, nil); err != nil {
		return answer, err
	}
	all, err := g.leaves(snapshot, m.AskLeaves)
	if err != nil {
		return answer, err
	}
	answer.ID, answer.Nodes = m.ID, all.Nodes
	answer.Copies, answer.Leaves = g.findCopies(snapshot, m, all.Leaves)
	return answer, nil
}

// findCopies parts the leaves into those that the reader has, and the others.
func (g *giver) findCopies(snapshot *hypercore.Snapshot, m objects.AskCopies, leaves []merkle.Node) (copies []objects.Copy, others []merkle.Node) {
	index := g.indexOf(snapshot, m.Fork, m.Held, m.First, m.Count)
	same := func(from uint64, leaf merkle.Node) bool {
		if !objects.Within(m.Held, from, 1) {
			return false
		}
		node, err := snapshot.Node(g.conn.ctx, 2*from)
		return err == nil && node.Hash == leaf.Hash
	}
	near := m.First // where the next one most likely is
	if g.tail.block == m.First {
		near = g.tail.near
	}
	missed := uint64(0) // since one was found
	for i, leaf := range leaves {
		from, ok := uint64(0), false
		if missed <= nearMost { // else it does not go on there
			from, ok = nearby(near, near+missed+nearAhead, leaf, same)
		}
		if !ok {
			from, ok = index.find(leaf.Hash)
		}
		if !ok || !same(from, leaf) {
			others = append(others, leaf)
			missed++
			continue
		}
		copies = addCopy(copies, uint64(i), from)
		near, missed = from+1, 0
	}
	g.tail = tail{m.First + uint64(len(leaves)), near}
	return copies, others
}

// indexOf returns the index in which blocks that a reader holds are found, extended for one who asks for count blocks from first on.
func (g *giver) indexOf(snapshot *hypercore.Snapshot, fork uint64, held []objects.Span, first, count uint64) *leafIndex {
	server := g.conn.server
	index := server.leafIndex(g.core, fork)
	index.extend(g.conn.ctx, snapshot, held, first, count, func(leaves int) bool { return server.roomForLeaves(g.core, index, leaves) })
	return index
}

// Blocks behind the last copy that are compared before others are: where something was cut out, or some blocks took the place of
// others, it goes on there.
const (
	nearAhead = 4
	nearMost  = 16
)

func nearby(from, to uint64, leaf merkle.Node, same func(uint64, merkle.Node) bool) (block uint64, ok bool) {
	for block = from; block <= to; block++ {
		if same(block, leaf) {
			return block, true
		}
	}
	return 0, false
}

// addCopy says that one more block is like another.
func addCopy(copies []objects.Copy, at, from uint64) []objects.Copy {
	if last := len(copies) - 1; last >= 0 && copies[last].At+copies[last].Count == at && copies[last].From+copies[last].Count == from {
		copies[last].Count++
		return copies
	}
	return append(copies, objects.Copy{At: at, Count: 1, From: from})
}
