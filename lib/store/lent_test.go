package store

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"hc/lib/checksum"
	"hc/lib/hash"
	"hc/lib/store/runs"
)

// appendEither appends an odd number of blocks one by one, and an even number all at once, from memory that it
// overwrites afterwards.
func appendEither(ctx context.Context, tx *Tx, blocks ...[]byte) error {
	if len(blocks)%2 == 0 {
		return appendLent(ctx, tx, true, blocks...)
	}
	for _, b := range blocks {
		if err := tx.Append(ctx, hash.Leaf(b), b); err != nil {
			return err
		}
	}
	return nil
}

// appendLent appends all blocks at once, from memory that it overwrites afterwards. summed: with the sums of every
// other block.
func appendLent(ctx context.Context, tx *Tx, summed bool, blocks ...[]byte) error {
	lent := make([][]byte, len(blocks))
	leaves := make([]hash.Digest, len(blocks))
	var sums []checksum.Sum
	for i, b := range blocks {
		lent[i], leaves[i] = bytes.Clone(b), hash.Leaf(b)
		if sum := checksum.Of(b); summed {
			sums = append(sums, checksum.Sum{CRC: sum.CRC, Known: i%2 == 0 || len(blocks) > 4})
		}
	}
	n, err := tx.AppendAll(ctx, leaves, lent, sums)
	for _, b := range lent {
		for i := range b {
			b[i] ^= 0xa5
		}
	}
	if err == nil && n != len(blocks) {
		return fmt.Errorf("%d of %d blocks were added", n, len(blocks))
	}
	return err
}

// AppendAll keeps no reference to lent memory when it returns, whatever is next to it: short blocks, compressible ones,
// those that the store has, and blocks larger than a run.
func TestAppendAllKeepsNothing(t *testing.T) {
	random, dice := rand.NewChaCha8([32]byte{1}), rand.New(rand.NewPCG(1, 2))
	block := func(size int, text bool) []byte {
		b := make([]byte, size)
		_, _ = random.Read(b) // never fails
		if text {
			return fmt.Appendf(nil, "%x", b)[:size]
		}
		return b
	}
	var blocks [][]byte
	for i := range 160 {
		size := []int{0, 1, 100, leastLent - 1, leastLent, 20_000, 80_000, 250_000}[dice.IntN(8)]
		blocks = append(blocks, block(size, i/20%3 == 1))
		if i%50 == 0 {
			blocks = append(blocks, block(500_000, i%100 == 0), block(runs.MostBytes, false), slices.Clone(blocks[i/2]))
		}
	}
	for _, short := range []bool{false, true} {
		for _, most := range []int{1, 40, 1000} {
			t.Run(fmt.Sprintf("short=%v,%d", short, most), func(t *testing.T) {
				m := newModel(1)
				s := openTest(t, t.TempDir(), Options{})
				tx, err := s.Begin(t.Context(), m.key, TxOptions{Short: short, Durable: true})
				if err != nil {
					t.Fatal(err)
				}
				defer tx.Abort()
				for part := range slices.Chunk(blocks, most) {
					if err := appendLent(t.Context(), tx, most != 40, part...); err != nil {
						t.Fatal(err)
					}
				}
				err = tx.Commit(t.Context(), func() (Head, error) {
					m.grow(true, blocks...)
					return m.sign(0), nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := m.compareBlocks(t.Context(), m.view(t, s)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
