package store

import (
	"context"
	"math/rand/v2"
	"testing"
)

// evenBlocks returns incompressible blocks of the given size.
func evenBlocks(r *rand.Rand, n, size int) (blocks [][]byte) {
	for range n {
		blocks = append(blocks, randomBytes(r, size))
	}
	return blocks
}

// lends is a workload of blocks that are written from where they are: in an append, more of them than are copied when
// AppendAll returns; in a download, those that are written with the head.
func lends(ctx context.Context, c *crashRun, s *Store) []func() error {
	own := TxOptions{Durable: true}
	r := rand.New(rand.NewPCG(5, 5))
	large, download := evenBlocks(r, 2*lentWritten/100_000-2, 100_000), evenBlocks(r, 4, 20_000)
	return []func() error{
		func() error { return c.appendTo(ctx, s, 0, own, blocksOf("a", "b")) },
		func() error { return c.appendTo(ctx, s, 0, own, large) },
		func() error {
			return c.change(2, true, func(m *modelCore) error {
				m.grow(false, download...)
				m.sign(0)
				return m.put(ctx, s, own, []uint64{1, 2, 3})
			})
		},
		func() error { return c.appendTo(ctx, s, 0, own, blocksOf("c", "d")) },
	}
}

// TestLentCrashAtEveryCall fails each call of that workload.
func TestLentCrashAtEveryCall(t *testing.T) { crashAtEveryCall(t, lends) }
