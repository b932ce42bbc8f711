package replicate

import (
	"errors"
	"fmt"
	"time"

	"hc/lib/budget"
	"hc/lib/hypercore"
	"hc/lib/merkle"
	"hc/lib/protomux"
	"hc/lib/replicate/answers"
)

// An answer is in memory from when it is made until its reader has taken it. Most are short, and shorter still if many peers
// are connected: see [answers.Most]. But a single block may have 15 MiB, and hundreds of readers may ask for one and then read
// nothing. So a long answer waits until there is room for it, and a reader that takes nothing of its answer while others
// wait is dropped. The first long answer of a connection has room of its own, so that peers that never read are not in the
// way of those that do.
const (
	maxLong    = 128 << 20       // bytes of long answers that are the first of their connection, and as many of all others
	longWindow = 8 * time.Second // progress shows every 256 KiB, and the system buffers a few MiB although nobody reads
)

// longAnswers bounds the long answers under way, over all connections.
type longAnswers struct{ first, others *budget.Budget }

func newLongAnswers() longAnswers {
	return longAnswers{budget.NewLastFirst(maxLong, longWindow), budget.New(maxLong, longWindow)}
}

// awaitRoom waits for room for a long answer of so many bytes. Call leave when it has been sent.
func (c *serverConn) awaitRoom(bytes int) (leave func(), err error) {
	among := c.server.long.others
	if !c.tookLong {
		among = c.server.long.first
	}
	share, err := among.Take(c.ctx, bytes, budget.Peer{Progress: c.secret.Written, Drop: func() {
		c.mux.Close(fmt.Errorf("%w: it does not take the long block that it asked for, and others wait for the memory", ErrPeer))
	}})
	return func() {
		c.tookLong = true
		share.Release()
	}, err
}

// awaitRoom waits for room for the block that a request asks for, if it is long.
func (r *reader) awaitRoom(snapshot *hypercore.Snapshot, request merkle.Request) (leave func(), err error) {
	leave = func() {}
	if request.Block == nil || request.Block.Index >= snapshot.Head().Length {
		return leave, nil
	}
	leaf, err := snapshot.Node(r.conn.ctx, 2*request.Block.Index)
	if err != nil || leaf.Size <= answers.BatchBytes { // a block that is not here is refused by the prover
		return leave, nil
	}
	if err := r.conn.answers.Flush(); err != nil && !errors.Is(err, protomux.ErrClosed) {
		return leave, err
	}
	return r.conn.awaitRoom(int(leaf.Size))
}
