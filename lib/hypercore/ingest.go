package hypercore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"hc/lib/store"
	"hc/lib/stream"
)

// Result is what an append came to.
type Result struct {
	Key    string `json:"key"`
	Length uint64 `json:"length"`
	Blocks uint64 `json:"blocks"` // appended by this call
	Bytes  uint64 `json:"bytes"`  // appended by this call
}

// How much of an input is hashed and stored at a time: enough blocks to share among processors.
const (
	batchBytes     = 2 << 20
	maxBatchBlocks = 16 << 10
)

// batch is some blocks of an input, with the buffer that most of them alias.
type batch struct {
	blocks [][]byte
	bytes  int
	buffer []byte
}

func newBatch() *batch { return &batch{buffer: make([]byte, 0, batchBytes)} }

// reset makes room, and lets go of what large blocks took beside the buffer.
func (b *batch) reset() {
	clear(b.blocks)
	b.blocks, b.buffer, b.bytes = b.blocks[:0], b.buffer[:0], 0
	if cap(b.buffer) > 2*batchBytes {
		b.buffer = make([]byte, 0, batchBytes)
	}
}

// add copies a block into the buffer, or, where it does not fit, into memory of just its size.
func (b *batch) add(block []byte) {
	at := len(b.buffer)
	if len(block) <= cap(b.buffer)-at {
		b.buffer = append(b.buffer, block...)
		block = b.buffer[at:len(b.buffer):len(b.buffer)]
	} else {
		block = append(make([]byte, 0, len(block)), block...)
	}
	b.blocks = append(b.blocks, block)
	b.bytes += len(block)
}

// AppendStream appends an hc-stream to the core that word names, all of it or, where the stream is not whole, nothing.
// progress, which may be nil, is told of each batch.
func AppendStream(ctx context.Context, in *store.Store, word string, from io.Reader, options AppendOptions, progress func(bytes, blocks int)) (Result, error) {
	reader := stream.NewReader(from)
	first, err := nextBatch(reader, newBatch())
	if err != nil && !errors.Is(err, io.EOF) {
		return Result{}, err
	}
	w, err := OpenWriter(ctx, in, word, options) // behind the first batch: a pipe that fails at once takes no lock
	if err != nil {
		return Result{}, err
	}
	defer w.Abort()
	before := w.Length()
	bytes, err := w.drain(ctx, reader, first, progress)
	if err != nil {
		return Result{}, err
	}
	return w.result(ctx, before, bytes)
}

// AppendRaw appends everything that comes from a reader as one block.
func AppendRaw(ctx context.Context, in *store.Store, word string, from io.Reader, options AppendOptions) (Result, error) {
	data, err := io.ReadAll(io.LimitReader(from, MaxBlock+1))
	if err != nil {
		return Result{}, fmt.Errorf("reading the block: %w", err)
	}
	if len(data) > MaxBlock {
		return Result{}, fmt.Errorf("%w: the input is over the limit of %d bytes for one block: cut it with hc-chunk", ErrTooLarge, MaxBlock)
	}
	for tries := 1; ; tries++ {
		result, err := appendOne(ctx, in, word, data, options)
		again := errors.Is(err, store.ErrOvertaken) || errors.Is(err, errNameTaken) && !options.New
		if !again || tries == maxTries {
			return result, err
		}
	}
}

// maxTries is how often something is begun again that another process got in the way of, where all it takes is at hand.
const maxTries = 4

func appendOne(ctx context.Context, in *store.Store, word string, data []byte, options AppendOptions) (Result, error) {
	w, err := OpenWriter(ctx, in, word, options)
	if err != nil {
		return Result{}, err
	}
	defer w.Abort()
	before := w.Length()
	if err := w.Append(ctx, data); err != nil {
		return Result{}, err
	}
	return w.result(ctx, before, uint64(len(data)))
}

func (w *Writer) result(ctx context.Context, before, bytes uint64) (Result, error) {
	if w.ending != nil {
		same, err := w.unchanged(ctx)
		if err != nil {
			return Result{}, err
		}
		if same {
			return Result{Key: w.Key().String(), Length: before}, nil
		}
	}
	if _, err := w.Commit(ctx); err != nil {
		return Result{}, err
	}
	return Result{Key: w.Key().String(), Length: w.Length(), Blocks: w.Length() - before, Bytes: bytes}, nil
}

// drain appends the rest of a stream, reading the next batch while one is hashed and stored.
func (w *Writer) drain(ctx context.Context, reader *stream.Reader, first *batch, progress func(bytes, blocks int)) (uint64, error) {
	type filled struct {
		batch *batch
		err   error
	}
	ctx, stop := context.WithCancel(ctx)
	full, empty := make(chan filled), make(chan *batch, 2)
	go func() {
		defer close(full)
		for {
			select {
			case b := <-empty:
				b, err := nextBatch(reader, b)
				select {
				case full <- filled{b, err}:
				case <-ctx.Done():
					return
				}
				if err != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	// The reader may hang in its input for as long as the other end of the pipe likes; when this append has failed,
	// nobody waits for it: the process ends, and the goroutine with it. Otherwise it has ended before drain returns.
	defer stop()

	empty <- newBatch()
	total := uint64(0)
	for next := (filled{first, nil}); ; {
		if err := w.Append(ctx, next.batch.blocks...); err != nil {
			return 0, err
		}
		total += uint64(next.batch.bytes)
		if progress != nil && len(next.batch.blocks) > 0 {
			progress(next.batch.bytes, len(next.batch.blocks))
		}
		if errors.Is(next.err, io.EOF) {
			return total, nil
		}
		empty <- next.batch
		var open bool
		select {
		case next, open = <-full:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if !open {
			return 0, ctx.Err()
		}
		if next.err != nil && !errors.Is(next.err, io.EOF) {
			return 0, next.err
		}
	}
}

// nextBatch copies blocks of the stream into b until it is full. io.EOF comes with the last blocks.
func nextBatch(reader *stream.Reader, b *batch) (*batch, error) {
	b.reset()
	for b.bytes < batchBytes && len(b.blocks) < maxBatchBlocks {
		block, err := reader.Next()
		if err != nil {
			return b, err
		}
		b.add(block)
	}
	return b, nil
}
