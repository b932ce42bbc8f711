package dedup

import (
	"context"

	"hc/lib/hash"
	"hc/lib/store/packlog"
	"hc/lib/store/runs"
)

// Nearby is the blocks of the runs in which blocks were found recently. A second version of something asks for blocks
// in the order in which they were stored, so one look-up serves a whole run. It is for one transaction, during which no
// run moves. Its zero value is empty.
type Nearby struct{ now, before map[hash.Digest]runs.Place }

const nearBlocks = 16 << 10 // at least; at most twice that, and one run

// Get returns where the block with a leaf hash is, if it is one of these.
func (n *Nearby) Get(leaf hash.Digest) (at runs.Place, ok bool) {
	if at, ok = n.now[leaf]; !ok {
		at, ok = n.before[leaf]
	}
	return at, ok
}

// Learn adds the blocks of a run. A run that cannot be read is for others to report.
func (n *Nearby) Learn(ctx context.Context, reader *runs.Reader, run packlog.Position) {
	e, err := reader.Meta(ctx, run, packlog.KindRun)
	if err != nil || len(e.Run.Leaves) < 2 {
		return
	}
	if n.now == nil || len(n.now) >= nearBlocks {
		n.now, n.before = make(map[hash.Digest]runs.Place), n.now
	}
	for i, leaf := range e.Run.Leaves {
		n.now[leaf] = runs.Place{Run: run, At: uint32(i)}
	}
}
