package hypercore

import (
	"context"
	"errors"
	"io"
	"slices"

	"hc/lib/hash"
	"hc/lib/stream"
)

// ahead is how many batches are read, and hashed, ahead of the one that is stored.
const ahead = 3

// hashing is a batch of a stream whose leaf hashes are on their way.
type hashing struct {
	stream.Batch
	leaves []hash.Digest
	hashed chan struct{} // closed when leaves are complete
	err    error         // what followed the blocks; io.EOF at the end of the stream
}

// failed returns an error that is not the stream's end.
func (h *hashing) failed() error {
	if errors.Is(h.err, io.EOF) {
		return nil
	}
	return h.err
}

// readHashing reads the next batch into h and has it hashed in the background. One processor hashes a batch: it has
// too few blocks to fill the lanes of several, and others follow.
func readHashing(reader *stream.Reader, h *hashing) *hashing {
	h.err = reader.ReadBatch(&h.Batch, batchBytes, maxBatchBlocks)
	h.hashed = make(chan struct{})
	if h.failed() != nil {
		close(h.hashed) // the batch will not count
		return h
	}
	h.leaves = slices.Grow(h.leaves[:0], len(h.Blocks))[:len(h.Blocks)]
	go func() {
		defer close(h.hashed)
		hash.Leaves(h.leaves, h.Blocks)
	}()
	return h
}

// Incoming is a stream on its way into a log: batches of it are read and hashed ahead of the one that is stored.
type Incoming struct {
	read, empty chan *hashing
	ended       <-chan struct{} // of the context
	stop        context.CancelFunc
}

// Receive begins to read an hc-stream for AppendTo, even before the store is open. The stream may hang for as long as
// the other end of the pipe likes. If the append fails, or comes to nothing, nobody waits for the reading: it ends
// with the process. Otherwise it has ended before AppendTo returns.
func Receive(ctx context.Context, from io.Reader) *Incoming {
	ctx, stop := context.WithCancel(ctx)
	i := &Incoming{ended: ctx.Done(), stop: stop}
	i.read, i.empty = newBatches()
	for range cap(i.empty) {
		i.empty <- new(hashing)
	}
	go readAhead(ctx, stream.NewReader(from), i.empty, i.read)
	return i
}

// Close ends the reading as soon as the stream delivers something more. Call it when nothing is appended.
func (i *Incoming) Close() { i.stop() }

// next returns the next batch.
func (i *Incoming) next(ctx context.Context) (*hashing, error) {
	select {
	case h := <-i.read:
		return h, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-i.ended:
		return nil, context.Canceled
	}
}

// drain appends a stream whose first batch has been read.
func (w *Writer) drain(ctx context.Context, from *Incoming, first *hashing, progress func(bytes, blocks int)) (uint64, error) {
	total := uint64(0)
	for h := first; ; {
		if err := w.appendHashing(ctx, h); err != nil {
			return 0, err
		}
		total += uint64(h.Bytes)
		if progress != nil && len(h.Blocks) > 0 {
			progress(h.Bytes, len(h.Blocks))
		}
		if h.err != nil {
			return total, h.failed()
		}
		from.empty <- h
		var err error
		if h, err = from.next(ctx); err != nil {
			return 0, err
		}
	}
}

// newBatches returns channels with room for all batches: those read ahead, and the one that is stored. So returning
// one never waits for a receiver that may be gone.
func newBatches() (read, empty chan *hashing) {
	return make(chan *hashing, ahead+1), make(chan *hashing, ahead+1)
}

// readAhead reads batches up to and including the one with the stream's end, or an error.
func readAhead(ctx context.Context, reader *stream.Reader, empty <-chan *hashing, read chan<- *hashing) {
	for {
		select {
		case h := <-empty:
			readHashing(reader, h)
			read <- h
			if h.err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// appendHashing stores a batch, unless an error follows it.
func (w *Writer) appendHashing(ctx context.Context, h *hashing) error {
	if h.failed() != nil {
		return nil
	}
	select {
	case <-h.hashed:
		return w.appendSummed(ctx, h.leaves, h.Blocks, h.Sums)
	case <-ctx.Done():
		return ctx.Err()
	}
}
