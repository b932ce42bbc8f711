package replicate

import (
	"context"
	"runtime"
)

// turns limits how many small but expensive questions are answered at once, which leaves processors for blocks. A question
// for leaf hashes or copies costs a look-up for each hash, and thousands of them fit into a frame. The others wait in the
// order they came in, one for each connection.
type turns chan struct{}

func newTurns() turns { return make(turns, (runtime.GOMAXPROCS(0)+1)/2) }

// take waits for a turn. done ends it. Nothing may be sent before that, as the peer may not be reading.
func (t turns) take(ctx context.Context) (done func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
