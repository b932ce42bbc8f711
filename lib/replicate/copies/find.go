package copies

import (
	"context"

	"hc/lib/hypercore"
	"hc/lib/merkle"
	"hc/lib/objects"
)

// Tail is where the last answer to a reader ended, and its last copy: the next question usually continues there. The zero
// value has answered nothing. It belongs to one goroutine.
type Tail struct{ block, near uint64 }

// Find divides the leaves from block m.First on into those of blocks equal to one that the reader holds, according to the
// snapshot, and the others. The index must have been extended for the question.
func (t *Tail) Find(ctx context.Context, snapshot *hypercore.Snapshot, index *Index, m objects.AskCopies, leaves []merkle.Node) (copies []objects.Copy, others []merkle.Node) {
	same := func(from uint64, leaf merkle.Node) bool {
		if !objects.Within(m.Held, from, 1) {
			return false
		}
		node, err := snapshot.Node(ctx, 2*from)
		return err == nil && node.Hash == leaf.Hash
	}
	near := m.First // where the next copy most likely is
	if t.block == m.First {
		near = t.near
	}
	missed := uint64(0) // blocks since the last copy
	for i, leaf := range leaves {
		from, ok := uint64(0), false
		if missed <= nearMost { // else the copy probably does not continue there
			from, ok = nearby(near, near+missed+nearAhead, leaf, same)
		}
		if !ok {
			from, ok = index.Find(leaf.Hash)
		}
		if !ok || !same(from, leaf) {
			others = append(others, leaf)
			missed++
			continue
		}
		copies = addCopy(copies, uint64(i), from)
		near, missed = from+1, 0
	}
	*t = Tail{m.First + uint64(len(leaves)), near}
	return copies, others
}

// How many blocks after the last copy are compared before the index is asked. If blocks were cut out or replaced, the copy
// continues there.
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

// addCopy adds that block at equals block from.
func addCopy(copies []objects.Copy, at, from uint64) []objects.Copy {
	if last := len(copies) - 1; last >= 0 && copies[last].At+copies[last].Count == at && copies[last].From+copies[last].Count == from {
		copies[last].Count++
		return copies
	}
	return append(copies, objects.Copy{At: at, Count: 1, From: from})
}
