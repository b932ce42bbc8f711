package replicate

import (
	"context"
	"runtime"
)

// turns lets so many questions be answered at once that are dear, and small: leaf hashes and copies, of which thousands fit into a frame, cost
// a look-up for each hash. The others wait, in the order in which they came, one of each connection: and processors are left for blocks.
type turns chan struct{}

func newTurns() turns { return make(turns, (runtime.GOMAXPROCS(0)+1)/2) }

// take waits for a turn. done ends it; nothing may be sent before that, as the peer may not read.
func (t turns) take(ctx context.Context) (done func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
