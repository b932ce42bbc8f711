package hypercore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// Source is a core of a store as the source of a proof stream. It follows the store: Next waits until other processes
// append. A Source has one reader.
type Source struct {
	store    *store.Store
	snapshot *Snapshot
	changes  <-chan struct{} // nil until somebody waits: a watch takes one of the system's few

	out *lendings // nil: the reader gives no block back
}

// SourceOptions says how a Source is read.
type SourceOptions struct {
	Returned bool // the reader gives blocks back, with Return, when it does not read them any more
}

// OpenSource opens the core for a proof stream.
func OpenSource(ctx context.Context, in *store.Store, key keys.Key, options SourceOptions) (*Source, error) {
	snapshot, err := OpenSnapshot(ctx, in, key)
	if err != nil {
		return nil, err
	}
	s := &Source{store: in, snapshot: snapshot}
	if options.Returned {
		s.out = newLendings()
	}
	return s, nil
}

// Key returns the core's key.
func (s *Source) Key() keys.Key { return s.snapshot.Key() }

// Manifest returns the encoded manifest, nil for a compat core.
func (s *Source) Manifest() []byte { return s.snapshot.auth.Manifest() }

// Head returns the newest head; a zero one if nothing was signed yet.
func (s *Source) Head(context.Context) (proof.Head, error) { return proofHead(s.snapshot.Head()), nil }

// Next waits for a head that is longer than after. It ends with ctx.
func (s *Source) Next(ctx context.Context, after proof.Head) (proof.Head, error) {
	if s.changes == nil {
		changes, err := s.store.Watch(ctx) // before the next look, so that no change is missed
		if err != nil {
			return proof.Head{}, err
		}
		s.changes = changes
	}
	for {
		snapshot, err := s.snapshot.Newest(ctx)
		if err != nil {
			return proof.Head{}, err
		}
		s.snapshot = snapshot
		head := snapshot.Head()
		if head.Fork != after.Fork && after.Length > 0 {
			return proof.Head{}, fmt.Errorf("%w: core %v went from fork %d to %d", ErrForked, s.Key(), after.Fork, head.Fork)
		}
		if head.Length > after.Length {
			return proofHead(head), nil
		}
		select {
		case <-ctx.Done():
			return proof.Head{}, ctx.Err()
		case _, open := <-s.changes:
			if !open {
				return proof.Head{}, watchEnded(ctx)
			}
		}
	}
}

// watchEnded returns why the watch ended: not io.EOF if it was cancelled, or half a stream would look whole.
func watchEnded(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return io.EOF
}

// Node returns a tree node, or merkle.ErrNodeMissing.
func (s *Source) Node(ctx context.Context, index uint64) (merkle.Node, error) {
	return s.snapshot.Node(ctx, index)
}

// Block returns a block, or proof.ErrBlockMissing if this store does not hold it. If the reader gives blocks back,
// the bytes are its own until it does.
func (s *Source) Block(ctx context.Context, index uint64) ([]byte, error) {
	data, err := s.block(ctx, index)
	if errors.Is(err, store.ErrBlockMissing) {
		return nil, worded{proof.ErrBlockMissing, "it is not in this store"}
	}
	return data, err
}

func (s *Source) block(ctx context.Context, index uint64) ([]byte, error) {
	if s.out == nil {
		return s.snapshot.Block(ctx, index)
	}
	block, err := s.snapshot.Lend(ctx, index)
	if block.Memory == nil {
		return block.Data, err
	}
	return s.out.lend(index, block), nil
}

// Return implements proof.Lender.
func (s *Source) Return(block uint64) {
	if s.out != nil {
		s.out.giveBack(block)
	}
}

// Place implements proof.Placer.
func (s *Source) Place(block uint64) (pack io.ReaderAt, offset int64) {
	if s.out == nil {
		return nil, 0
	}
	return s.out.place(block)
}

func proofHead(head store.Head) proof.Head {
	return proof.Head{Fork: head.Fork, Length: head.Length, ByteLength: head.ByteLength, Signature: head.Signature}
}
