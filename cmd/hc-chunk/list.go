package main

import (
	"context"
	"encoding/hex"
	"io"
	"runtime"
	"strconv"

	"golang.org/x/sync/errgroup"

	"hc/lib/hash"
	"hc/lib/hash/simd"
)

const (
	batchBytes  = 1 << 20 // of chunks that are hashed by one worker, at least one chunk
	batchChunks = 4096
	listMemory  = 32 << 20 // bytes of all batches together
)

// batch is a number of neighbouring chunks on their way through hashing.
type batch struct {
	data    []byte
	lengths []int
	offset  uint64 // of the first chunk
	leaves  []hash.Digest
	blocks  [][]byte
	text    []byte        // to be written
	done    chan struct{} // gets a value when text is there
}

// list writes offset, length, leaf hash and SHA-256 of each chunk. One goroutine cuts, several hash, one writes, in
// order; a fixed number of batches circulates between them.
func list(ctx context.Context, out io.Writer, json bool, src *source, largest int, seen *stats) error {
	workers := runtime.GOMAXPROCS(0)
	count := max(2, min(workers+2, listMemory/(batchBytes+largest)))
	group, ctx := errgroup.WithContext(ctx)
	free, todo, order := make(chan *batch, count), make(chan *batch, count), make(chan *batch, count)
	for range count {
		free <- &batch{data: make([]byte, 0, batchBytes+min(largest, batchBytes)), done: make(chan struct{}, 1)}
	}
	group.Go(func() error {
		defer close(order)
		defer close(todo)
		return fillBatches(ctx, src, seen, free, todo, order)
	})
	for range min(workers, count) {
		group.Go(func() error {
			for b := range todo {
				b.hash(json)
				b.done <- struct{}{}
			}
			return nil
		})
	}
	group.Go(func() error {
		for b := range order {
			<-b.done
			if _, err := out.Write(b.text); err != nil {
				return err
			}
			free <- b
		}
		return nil
	})
	return group.Wait()
}

// fillBatches cuts until the input ends. Chunks before an error are passed on.
func fillBatches(ctx context.Context, src *source, seen *stats, free <-chan *batch, todo, order chan<- *batch) error {
	for {
		var b *batch
		select {
		case b = <-free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		err := b.fill(src, seen)
		order <- b
		todo <- b
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fill takes chunks until the batch is full.
func (b *batch) fill(src *source, seen *stats) error {
	b.data, b.lengths = b.data[:0], b.lengths[:0]
	for len(b.data) < batchBytes && len(b.lengths) < batchChunks {
		data, offset, err := src.next()
		if err != nil {
			return err
		}
		if len(b.lengths) == 0 {
			b.offset = offset
		}
		b.data = append(b.data, data...)
		b.lengths = append(b.lengths, len(data))
		seen.add(len(data))
	}
	return nil
}

// hash makes the text of the batch.
func (b *batch) hash(json bool) {
	b.blocks, b.text = b.blocks[:0], b.text[:0]
	rest := b.data
	for _, n := range b.lengths {
		b.blocks = append(b.blocks, rest[:n])
		rest = rest[n:]
	}
	if len(b.leaves) < len(b.blocks) {
		b.leaves = make([]hash.Digest, len(b.blocks))
	}
	hash.Leaves(b.leaves, b.blocks)
	offset := b.offset
	for i, block := range b.blocks {
		b.text = appendEntry(b.text, json, offset, len(block), b.leaves[i], simd.SHA256(block))
		offset += uint64(len(block))
	}
}

// appendEntry appends one line.
func appendEntry(text []byte, json bool, offset uint64, length int, leaf hash.Digest, sum [32]byte) []byte {
	parts := [...]string{"", " ", " ", " ", "\n"}
	if json {
		parts = [...]string{`{"offset":`, `,"length":`, `,"leaf":"`, `","sha256":"`, "\"}\n"}
	}
	text = strconv.AppendUint(append(text, parts[0]...), offset, 10)
	text = strconv.AppendInt(append(text, parts[1]...), int64(length), 10)
	text = hex.AppendEncode(append(text, parts[2]...), leaf[:])
	text = hex.AppendEncode(append(text, parts[3]...), sum[:])
	return append(text, parts[4]...)
}
