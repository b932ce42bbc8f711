package hypercore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// batch is some blocks of an input, with the buffer that most of them alias.
type batch struct {
	blocks [][]byte
	bytes  int
	buffer []byte
}

func newBatch() *batch { return &batch{buffer: make([]byte, 0, batchBytes)} }

// reset empties the batch, and frees a buffer that large blocks made grow.
func (b *batch) reset() {
	clear(b.blocks)
	b.blocks, b.buffer, b.bytes = b.blocks[:0], b.buffer[:0], 0
	if cap(b.buffer) > 2*batchBytes {
		b.buffer = make([]byte, 0, batchBytes)
	}
}

// lineReader hands out lines in batches: those that have come by the time somebody asks.
type lineReader struct {
	full, empty chan *batch
	err         error // valid when full is closed; nil at the end of the input
}

// readLines starts reading. The goroutine ends with the input, or as soon as its read returns after the end of ctx.
func readLines(ctx context.Context, from io.Reader) *lineReader {
	r := &lineReader{full: make(chan *batch), empty: make(chan *batch, 2)}
	r.empty <- newBatch()
	r.empty <- newBatch()
	go func() {
		defer close(r.full)
		r.err = r.read(ctx, bufio.NewReaderSize(from, 256<<10))
	}()
	return r
}

func (r *lineReader) read(ctx context.Context, in *bufio.Reader) error {
	for {
		var b *batch
		select {
		case b = <-r.empty:
		case <-ctx.Done():
			return ctx.Err()
		}
		err := fillLines(in, b)
		if len(b.blocks) > 0 {
			select {
			case r.full <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		} else {
			r.empty <- b
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading lines: %w", err)
		}
	}
}

// fillLines reads one line, waiting for it, then as many more as are buffered already.
func fillLines(in *bufio.Reader, b *batch) error {
	b.reset()
	for {
		line, err := appendLine(in, b)
		if len(line) > 0 {
			b.blocks = append(b.blocks, line)
			b.bytes += len(line)
		}
		if err != nil {
			return err
		}
		if b.bytes >= batchBytes || len(b.blocks) >= maxBatchBlocks || !lineBuffered(in) {
			return nil
		}
	}
}

func lineBuffered(in *bufio.Reader) bool {
	waiting, _ := in.Peek(in.Buffered())
	return bytes.IndexByte(waiting, '\n') >= 0
}

// appendLine copies the next line, of at most MaxBlock bytes, into the batch's buffer. If the buffer is too small,
// only that line moves to a larger one.
func appendLine(in *bufio.Reader, b *batch) ([]byte, error) {
	at := len(b.buffer)
	for {
		piece, err := in.ReadSlice('\n')
		have := len(b.buffer) - at
		if have+len(piece) > MaxBlock {
			return nil, fmt.Errorf("%w: a line is over the limit of %d bytes for one block: cut the input with hc-chunk instead", ErrTooLarge, MaxBlock)
		}
		if len(b.buffer)+len(piece) > cap(b.buffer) {
			larger := make([]byte, have, max(batchBytes, min(2*(have+len(piece)), MaxBlock)))
			copy(larger, b.buffer[at:])
			b.buffer, at = larger, 0
		}
		b.buffer = append(b.buffer, piece...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return b.buffer[at:len(b.buffer):len(b.buffer)], err
	}
}
