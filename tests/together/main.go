// Command together does in one process what hc-chunk FILE | hc-append NAME does in two, in the same steps, but without the pipe and
// the stream that goes through it: scripts/bench.sh uses it to show what those cost.
//
//	together STORE NAME FILE
//
// It prints what hc-append prints, the key and the length.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sync/errgroup"

	"hc/lib/chunk"
	"hc/lib/hash"
	"hc/lib/hypercore"
	"hc/lib/store"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: together STORE NAME FILE")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "together:", err)
		os.Exit(1)
	}
}

// batchBytes is how much is hashed and stored at a time, as in hc-append.
const batchBytes = 2 << 20

// batch is consecutive blocks, and their leaf hashes.
type batch struct {
	data   []byte
	ends   []int
	blocks [][]byte
	leaves []hash.Digest
}

// add copies a block.
func (b *batch) add(block []byte) {
	b.data = append(b.data, block...)
	b.ends = append(b.ends, len(b.data))
}

func (b *batch) hash() {
	b.blocks = b.blocks[:0]
	start := 0
	for _, end := range b.ends {
		b.blocks = append(b.blocks, b.data[start:end:end])
		start = end
	}
	b.leaves = append(b.leaves[:0], make([]hash.Digest, len(b.blocks))...)
	hash.Leaves(b.leaves, b.blocks)
}

func (b *batch) empty() *batch {
	b.data, b.ends = b.data[:0], b.ends[:0]
	return b
}

func run(ctx context.Context, dir, name, file string) error {
	in, err := store.Open(ctx, dir, store.Options{Create: true})
	if err != nil {
		return err
	}
	defer in.Close()
	w, err := hypercore.OpenWriter(ctx, in, name, hypercore.AppendOptions{})
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := appendFile(ctx, w, file); err != nil {
		return err
	}
	if _, err := w.Commit(ctx); err != nil {
		return err
	}
	fmt.Println(w.Key(), w.Length())
	return in.Close()
}

// appendFile reads and cuts, hashes, and stores, all at the same time.
func appendFile(ctx context.Context, w *hypercore.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	cutter, err := chunk.NewRabin(chunk.Limits{})
	if err != nil {
		return err
	}
	free, cuts, hashed := make(chan *batch, 4), make(chan *batch, 1), make(chan *batch, 1)
	for range cap(free) {
		free <- new(batch)
	}
	steps, ctx := errgroup.WithContext(ctx)
	steps.Go(func() error {
		defer close(cuts)
		return cut(ctx, chunk.New(f, cutter, hypercore.MaxBlock), free, cuts)
	})
	steps.Go(func() error {
		defer close(hashed)
		for b := range cuts {
			b.hash()
			if err := pass(ctx, hashed, b); err != nil {
				return err
			}
		}
		return nil
	})
	steps.Go(func() error {
		for b := range hashed {
			if err := w.AppendHashed(ctx, b.leaves, b.blocks); err != nil {
				return err
			}
			free <- b.empty() // has room for all there are
		}
		return nil
	})
	return steps.Wait()
}

// cut puts the chunks that it cuts into batches.
func cut(ctx context.Context, chunker *chunk.Chunker, free <-chan *batch, to chan<- *batch) error {
	var b *batch
	var blocks [][]byte
	for {
		var failure error
		blocks, failure = chunker.NextAll(blocks[:0])
		for _, block := range blocks {
			if b == nil {
				select {
				case b = <-free:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			b.add(block)
			if len(b.data) >= batchBytes {
				if err := pass(ctx, to, b); err != nil {
					return err
				}
				b = nil
			}
		}
		if failure != nil && !errors.Is(failure, io.EOF) {
			return failure
		}
		if failure != nil && b != nil {
			return pass(ctx, to, b)
		}
		if failure != nil {
			return nil
		}
	}
}

func pass(ctx context.Context, to chan<- *batch, b *batch) error {
	select {
	case to <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
