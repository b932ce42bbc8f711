package proof

import (
	"context"
	"errors"
	"fmt"
)

// An ahead reads blocks of a source while others are written: a group, and as much again, or one larger block.
type ahead struct {
	ctx     context.Context
	batches <-chan batch // nil: everything has been read
	cancel  context.CancelFunc
	blocks  [][]byte // read, and not taken yet
	bytes   int      // in blocks
	err     error    // why no more blocks come, if there should be more
	ended   bool
}

type batch struct {
	blocks [][]byte
	bytes  int
	err    error
}

// readAhead starts reading the blocks from first to end (exclusive).
func readAhead(ctx context.Context, src Source, first, end uint64) *ahead {
	if end-first == 1 {
		var b batch
		b.read(ctx, src, first)
		return &ahead{ctx: ctx, cancel: func() {}, blocks: b.blocks, bytes: b.bytes, err: b.err, ended: true}
	}
	ctx, cancel := context.WithCancel(ctx)
	batches := make(chan batch)
	go func() {
		defer close(batches)
		for first < end {
			var b batch
			for first < end && b.err == nil && b.bytes <= maxGroup && len(b.blocks) <= maxCount {
				b.read(ctx, src, first)
				first++
			}
			select {
			case batches <- b:
			case <-ctx.Done():
				return
			}
			if b.err != nil {
				return
			}
		}
	}()
	return &ahead{ctx: ctx, batches: batches, cancel: cancel}
}

func (b *batch) read(ctx context.Context, src Source, index uint64) {
	data, err := src.Block(ctx, index)
	if errors.Is(err, ErrBlockMissing) {
		err = fmt.Errorf("%w: block %d: %w", ErrPartial, index, err)
	}
	if err != nil {
		b.err = err
		return
	}
	b.blocks = append(b.blocks, data)
	b.bytes += len(data)
}

// fill reads until it knows how many of the next blocks fit into one group, and returns that number. With an error
// the number is that of the blocks that could be read, and it is unknown whether the next one would fit.
func (a *ahead) fill() (count int, err error) {
	for !a.ended && a.bytes <= maxGroup && len(a.blocks) <= maxCount {
		b, more := <-a.batches
		a.blocks = append(a.blocks, b.blocks...)
		a.bytes += b.bytes
		a.ended, a.err = !more || b.err != nil, b.err
		if !more {
			a.err = a.ctx.Err()
		}
	}
	bytes := 0
	for count < len(a.blocks) && count < maxCount && (count == 0 || bytes+len(a.blocks[count]) <= maxGroup) {
		bytes += len(a.blocks[count])
		count++
	}
	if count == len(a.blocks) && count < maxCount {
		return count, a.err
	}
	return count, nil
}

// take returns the next n blocks, which have been read.
func (a *ahead) take(n int) [][]byte {
	taken := a.blocks[:n:n]
	a.blocks = a.blocks[n:]
	for _, b := range taken {
		a.bytes -= len(b)
	}
	return taken
}

// close ends the reading and waits for it.
func (a *ahead) close() {
	a.cancel()
	if a.batches == nil {
		return
	}
	for range a.batches {
	}
}
