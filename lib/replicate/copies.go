package replicate

import (
	"hc/lib/hypercore"
	"hc/lib/objects"
	"hc/lib/replicate/copies"
)

// A reader of a log's second version has most of its blocks from the first one. It is told which, in place of leaf hashes.

func (g *objectsServer) giveCopies(snapshot *hypercore.Snapshot, m objects.AskCopies) error {
	done, err := g.conn.server.turns.take(g.conn.ctx)
	if err != nil {
		return err
	}
	answer, err := g.copies(snapshot, m)
	done()
	if err != nil {
		return err
	}
	return g.sendLeaves(objects.TypeCopies, answer, answer.Leaves, answer.Nodes)
}

func (g *objectsServer) copies(snapshot *hypercore.Snapshot, m objects.AskCopies) (answer objects.Copies, err error) {
	last := m.Held[len(m.Held)-1]
	if err := g.check(snapshot.Head(), m.Fork, last.First+last.Count, nil); err != nil {
		return answer, err
	}
	all, err := g.leaves(snapshot, m.AskLeaves)
	if err != nil {
		return answer, err
	}
	answer.ID, answer.Nodes = m.ID, all.Nodes
	index := g.indexOf(snapshot, m.Fork, m.Held, m.First, m.Count)
	answer.Copies, answer.Leaves = g.tail.Find(g.conn.ctx, snapshot, index, m, all.Leaves)
	return answer, nil
}

// indexOf returns the index of blocks that a reader holds, extended for a question about count blocks from first on.
func (g *objectsServer) indexOf(snapshot *hypercore.Snapshot, fork uint64, held []objects.Span, first, count uint64) *copies.Index {
	index := g.conn.server.leafIndex(g.core, fork)
	index.Extend(g.conn.ctx, snapshot, held, first, count)
	return index
}

// leafIndex returns the index of a core at a fork; an empty one without room if nobody reads the core any more.
func (s *Server) leafIndex(core *servedCore, fork uint64) *copies.Index {
	s.mu.Lock()
	defer s.mu.Unlock()
	if core.users == 0 {
		return new(copies.Index)
	}
	return s.leaves.Of(core.key, fork)
}
