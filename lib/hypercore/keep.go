package hypercore

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// keepBytes is how much of a proof stream is committed at a time.
const keepBytes = 8 << 20

// Keeper stores what a proof stream proved, as proof.Verify hands it on: a file with a proof is a bundle to carry. Call
// Close at the end, also behind an error: what was verified until then is kept. For one stream.
type Keeper struct {
	ctx  context.Context
	into *store.Store

	key      keys.Key
	manifest []byte
	head     store.Head
	view     *store.View // what the store held when the last head came; nil if nothing
	nodes    []merkle.Node
	blocks   []kept
	bytes    int
	dirty    bool
}

type kept struct {
	index uint64
	leaf  hash.Digest
	data  []byte
}

// NewKeeper returns a Keeper for one stream. ctx bounds all that it does.
func NewKeeper(ctx context.Context, into *store.Store) *Keeper {
	return &Keeper{ctx: ctx, into: into}
}

// Core implements proof.Sink.
func (k *Keeper) Core(key keys.Key, manifest []byte) error {
	k.key, k.manifest = key, manifest
	return nil
}

// Head implements proof.Sink. A head that does not go on from the stored one is kept as seen, and is ErrForked.
func (k *Keeper) Head(head proof.Head, roots []merkle.Node) error {
	if err := k.save(); err != nil {
		return err
	}
	k.head = store.Head{
		Fork:       head.Fork,
		Length:     head.Length,
		ByteLength: head.ByteLength,
		TreeHash:   merkle.TreeHash(roots),
		Signature:  bytes.Clone(head.Signature),
	}
	view, err := k.into.View(k.ctx, k.key, false)
	switch {
	case errors.Is(err, store.ErrNotFound):
		k.view = nil
	case err != nil:
		return err
	default:
		k.view = view
	}
	k.dirty = true
	return k.take(roots)
}

// take adds nodes, and refuses those of another history than the stored one.
func (k *Keeper) take(nodes []merkle.Node) error {
	if k.view != nil {
		stored := k.view.Head()
		if stored.Length > 0 && stored.Fork != k.head.Fork || sameLog(k.ctx, k.view, nodes) != nil {
			return k.conflict(stored)
		}
	}
	k.nodes = append(k.nodes, nodes...)
	return nil
}

func (k *Keeper) conflict(stored store.Head) error {
	tx, err := k.into.Begin(k.ctx, k.key, store.TxOptions{Manifest: k.manifest})
	if err != nil {
		return err
	}
	defer tx.Abort()
	if err := tx.Seen(k.ctx, k.head); err != nil {
		return err
	}
	if err := tx.Commit(k.ctx, func() (store.Head, error) { return tx.View().Head(), nil }); err != nil {
		return err
	}
	k.dirty, k.nodes, k.blocks = false, nil, nil
	return fmt.Errorf("%w: the proof has core %v at fork %d with %d blocks, the store has fork %d with %d, and the key signed both; what is here was kept as it is",
		ErrForked, k.key, k.head.Fork, k.head.Length, stored.Fork, stored.Length)
}

// Nodes implements proof.Sink; Group is called instead.
func (k *Keeper) Nodes(nodes []merkle.Node) error { return k.take(nodes) }

// Block implements proof.Sink; Group is called instead.
func (k *Keeper) Block(index uint64, data []byte, _, _ int) error {
	k.blocks = append(k.blocks, kept{index: index, leaf: hash.Leaf(data), data: bytes.Clone(data)})
	k.bytes += len(data)
	return nil
}

// Group implements proof.GroupSink.
func (k *Keeper) Group(g *proof.Group) error {
	if err := k.take(g.Received); err != nil {
		return err
	}
	if err := k.take(g.Computed); err != nil {
		return err
	}
	for i, data := range g.Blocks {
		k.blocks = append(k.blocks, kept{index: g.First + uint64(i), leaf: g.Leaves[i], data: bytes.Clone(data)})
		k.bytes += len(data)
	}
	if k.bytes < keepBytes {
		return nil
	}
	return k.save()
}

// save commits what came since the last time, under the newer of the head it came with and the stored one.
func (k *Keeper) save() error {
	if !k.dirty && len(k.blocks) == 0 && len(k.nodes) == 0 {
		return nil
	}
	tx, err := k.into.Begin(k.ctx, k.key, store.TxOptions{Manifest: k.manifest})
	if err != nil {
		return fmt.Errorf("keeping core %v: %w", k.key, err)
	}
	defer tx.Abort()
	if err := k.put(tx); err != nil {
		return fmt.Errorf("keeping core %v: %w", k.key, err)
	}
	err = tx.Commit(k.ctx, func() (store.Head, error) {
		if stored := tx.View().Head(); stored.Length > k.head.Length {
			return stored, nil
		}
		return k.head, nil
	})
	if err != nil {
		return fmt.Errorf("keeping core %v: %w", k.key, err)
	}
	k.nodes, k.blocks, k.bytes, k.dirty = k.nodes[:0], k.blocks[:0], 0, false
	return nil
}

func (k *Keeper) put(tx *store.Tx) error {
	if err := sameLog(k.ctx, tx.View(), k.nodes); err != nil {
		return err
	}
	if err := tx.Nodes(k.ctx, k.nodes); err != nil {
		return err
	}
	for _, block := range k.blocks {
		held, err := tx.View().Has(k.ctx, block.index)
		if err != nil {
			return err
		}
		if held {
			continue
		}
		if err := tx.Put(k.ctx, block.index, block.leaf, block.data); err != nil {
			return err
		}
	}
	return nil
}

// Close keeps the rest.
func (k *Keeper) Close() error { return k.save() }
