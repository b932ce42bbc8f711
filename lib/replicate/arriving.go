package replicate

import (
	"context"
	"sync"

	"hc/lib/hypercore"
	"hc/lib/merkle"
)

// arriving is one of a drive's cores while it is fetched. Its readers read blocks in any order, and take turns.
type arriving struct {
	*hypercore.Download
	keeps bool  // keep small blocks that were read: there is no store that has them
	err   error // of its fetch, once that has ended

	turn chan struct{} // holds a token while somebody waits for a block or a node

	mu        sync.Mutex // guards all below
	kept      map[uint64][]byte
	keptBytes int
}

// maxKept bounds the bytes of blocks that are kept because they may be read again; maxKeptBlock those of a single one. The
// blocks of a tree of names are small.
const (
	maxKept      = 16 << 20
	maxKeptBlock = 64 << 10
)

// Block waits for a block.
func (a *arriving) Block(ctx context.Context, index uint64) ([]byte, error) {
	if err := a.takeTurn(ctx); err != nil {
		return nil, err
	}
	defer a.endTurn()
	if data, ok := a.keptBlock(index); ok {
		return data, nil
	}
	data, err := a.Download.Block(ctx, index)
	if err == nil && a.keeps && len(data) <= maxKeptBlock {
		a.keep(index, data)
	}
	return data, err
}

func (a *arriving) takeTurn(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *arriving) endTurn() { <-a.turn }

func (a *arriving) keptBlock(index uint64) (data []byte, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	data, ok = a.kept[index]
	return data, ok
}

func (a *arriving) keep(index uint64, data []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil || a.keptBytes > maxKept {
		a.kept, a.keptBytes = map[uint64][]byte{}, 0
	}
	a.kept[index] = data
	a.keptBytes += len(data) + perKept
}

const perKept = 64 // bytes that a block costs beyond its own

// Expect implements hyperbee.Expecter.
func (a *arriving) Expect(seqs []uint64) {
	length, _ := a.Length()
	var wanted []hypercore.BlockRange
	for _, seq := range seqs {
		if _, ok := a.keptBlock(seq); !ok && seq < length {
			wanted = append(wanted, hypercore.BlockRange{First: seq, End: seq + 1})
		}
	}
	a.WantSoon(wanted...)
}

// arrivingBlobs is a blobs core while it is fetched, as hyperdrive reads it.
type arrivingBlobs struct{ *arriving }

// Length returns how many blocks are known to be signed.
func (b arrivingBlobs) Length() uint64 {
	length, _ := b.Download.Length()
	return length
}

// Blocks implements hyperdrive.Blobs. It asks for the whole run at once, as far as there is room for it.
func (b arrivingBlobs) Blocks(ctx context.Context, first, count uint64, each func(index uint64, data []byte) error) error {
	b.WantSoon(hypercore.BlockRange{First: first, End: first + count})
	for index := first; index < first+count; index++ {
		data, err := b.Block(ctx, index)
		if err == nil {
			err = each(index, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ByteOffset implements hyperdrive.Blobs. It sums the sizes of the tree nodes before the block. Most of them come with the
// block's own proof, so it asks for the block, too, which is about to be read anyway.
func (b arrivingBlobs) ByteOffset(ctx context.Context, block uint64) (uint64, error) {
	b.WantSoon(hypercore.BlockRange{First: block, End: block + 1})
	if err := b.takeTurn(ctx); err != nil {
		return 0, err
	}
	defer b.endTurn()
	before, err := merkle.RootsFrom(ctx, b, block)
	if err != nil {
		return 0, err
	}
	return merkle.ByteLength(before), nil
}
