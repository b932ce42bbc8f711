package replicate

import (
	"context"
	"sync"
)

// gate bounds the bytes of messages that were read and are not handled yet, whatever the peers send. When it is full, a
// read loop waits, and so does its peer. Safe for concurrent use.
type gate struct {
	limit int

	mu    sync.Mutex // guards all below
	used  int
	freed chan struct{} // closed, and replaced, when there is room again
}

func newGate(limit int) *gate { return &gate{limit: limit, freed: make(chan struct{})} }

// enter waits until there is room for so many bytes. A single message over the limit passes alone.
func (g *gate) enter(ctx context.Context, bytes int) error {
	for {
		g.mu.Lock()
		if g.used == 0 || g.used+bytes <= g.limit {
			g.used += bytes
			g.mu.Unlock()
			return nil
		}
		freed := g.freed
		g.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *gate) leave(bytes int) {
	if bytes == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.used -= bytes
	close(g.freed)
	g.freed = make(chan struct{})
}
