package store

import (
	"context"

	"hc/lib/hash"
	"hc/lib/store/packlog"
	"hc/lib/store/runs"
)

// near is the blocks of the runs in which blocks were found lately: who stores a second version of something asks for them in the order in
// which they were stored, so that one look-up serves a whole run. It is for one transaction, during which no run moves.
type near struct{ now, before map[hash.Digest]place }

const nearBlocks = 16 << 10 // at least; at most twice that, and one run

func (n *near) get(leaf hash.Digest) (at place, ok bool) {
	if at, ok = n.now[leaf]; !ok {
		at, ok = n.before[leaf]
	}
	return at, ok
}

// learn takes in the blocks of a run. That it cannot be read is for others to tell.
func (n *near) learn(ctx context.Context, reader *runs.Reader, run packlog.Position) {
	e, err := reader.Meta(ctx, run, packlog.KindRun)
	if err != nil || len(e.Run.Leaves) < 2 {
		return
	}
	if n.now == nil || len(n.now) >= nearBlocks {
		n.now, n.before = make(map[hash.Digest]place), n.now
	}
	for i, leaf := range e.Run.Leaves {
		n.now[leaf] = place{Run: run, At: uint32(i)}
	}
}
