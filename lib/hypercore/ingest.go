package hypercore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"hc/lib/store"
	"hc/lib/stream"
)

// Result describes what an append did.
type Result struct {
	Key    string `json:"key"`
	Length uint64 `json:"length"`
	Blocks uint64 `json:"blocks"` // appended by this call
	Bytes  uint64 `json:"bytes"`  // appended by this call
}

// How much of an input is hashed and stored at a time: enough blocks for all lanes of a hash.
const (
	batchBytes     = 2 << 20
	maxBatchBlocks = 16 << 10
)

// AppendTo appends the stream to the core that word names: all of it or, if the stream is not whole, nothing. progress,
// which may be nil, is called for each batch. AppendTo may be called once.
func (i *Incoming) AppendTo(ctx context.Context, in *store.Store, word string, options AppendOptions, progress func(bytes, blocks int)) (Result, error) {
	defer i.Close()
	first, err := i.next(ctx)
	if err == nil {
		err = first.failed()
	}
	if err != nil {
		return Result{}, err
	}
	w, err := OpenWriter(ctx, in, word, options) // after the first batch: a pipe that fails at once takes no lock
	if err != nil {
		return Result{}, err
	}
	defer w.Abort()
	before := w.Length()
	bytes, err := w.drain(ctx, i, first, progress)
	if err != nil {
		return Result{}, err
	}
	return w.result(ctx, before, bytes)
}

// AppendRaw appends everything that a reader delivers as one block. It refuses an hc-stream with ErrFramed.
func AppendRaw(ctx context.Context, in *store.Store, word string, from io.Reader, options AppendOptions) (Result, error) {
	data, err := io.ReadAll(io.LimitReader(from, MaxBlock+1))
	if err != nil {
		return Result{}, fmt.Errorf("reading the block: %w", err)
	}
	if len(data) > MaxBlock {
		return Result{}, fmt.Errorf("%w: the input is over the limit of %d bytes for one block: cut it with hc-chunk", ErrTooLarge, MaxBlock)
	}
	if stream.Begins(data) {
		return Result{}, ErrFramed
	}
	for tries := 1; ; tries++ {
		result, err := appendOne(ctx, in, word, data, options)
		again := errors.Is(err, store.ErrOvertaken) || errors.Is(err, errNameTaken) && !options.New
		if !again || tries == maxTries {
			return result, err
		}
	}
}

// maxTries is how often a commit that another process got in the way of is tried when all its input is at hand.
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
