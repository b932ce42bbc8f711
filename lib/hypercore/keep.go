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

// keepBytes is how much of a proof stream, in bytes of memory, is committed at a time.
const keepBytes = 8 << 20

// Keeper stores what a proof stream proves, as proof.Verify hands it on: a file with a proof can carry a core from
// one store to another. Call Close at the end, even after an error: everything verified until then is kept. A Keeper
// serves one stream.
type Keeper struct {
	ctx  context.Context
	into *store.Store

	key      keys.Key
	manifest []byte
	head     store.Head
	view     *store.View // the core in the store when the last head came; nil if none
	nodes    []merkle.Node
	blocks   []verifiedBlock
	memory   int // cost of the blocks
	dirty    bool
	replaces bool
}

// NewKeeper returns a Keeper for one stream. ctx bounds everything it does.
func NewKeeper(ctx context.Context, into *store.Store) *Keeper {
	return &Keeper{ctx: ctx, into: into}
}

// Replace makes it store also blocks that the store claims to hold: they may be damaged there.
func (k *Keeper) Replace() { k.replaces = true }

// Core implements proof.Sink.
func (k *Keeper) Core(key keys.Key, manifest []byte) error {
	k.key, k.manifest = key, manifest
	return nil
}

// Head implements proof.Sink. A head that does not extend the stored one is kept as seen, and is a *SeenError. So is
// a longer head of a core that this store writes: only the owner says how that log continues.
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
		if stored := view.Head(); stored.Length > 0 && k.head.Length > stored.Length && Owned(k.into, k.key) {
			return k.conflict(stored)
		}
	}
	k.dirty = true
	return k.take(roots)
}

// take adds nodes, and refuses those of a history other than the stored one.
func (k *Keeper) take(nodes []merkle.Node) error {
	if k.view != nil {
		stored := k.view.Head()
		if stored.Length > 0 && stored.Fork != k.head.Fork || sameNodes(k.ctx, k.view, nodes) != nil {
			return k.conflict(stored)
		}
	}
	k.nodes = append(k.nodes, nodes...)
	return nil
}

func (k *Keeper) conflict(stored store.Head) error {
	if err := keepSeen(k.ctx, k.into, k.key, k.manifest, k.head); err != nil {
		return err
	}
	k.dirty, k.nodes, k.blocks = false, nil, nil
	return &SeenError{Key: k.key, Here: stored, There: k.head, Owned: Owned(k.into, k.key)}
}

// Nodes implements proof.Sink; Group is called instead.
func (k *Keeper) Nodes(nodes []merkle.Node) error { return k.take(nodes) }

// Block implements proof.Sink; Group is called instead.
func (k *Keeper) Block(index uint64, data []byte, _, _ int) error {
	k.add(index, hash.Leaf(data), data)
	return nil
}

func (k *Keeper) add(index uint64, leaf hash.Digest, data []byte) {
	k.blocks = append(k.blocks, verifiedBlock{index, leaf, bytes.Clone(data)})
	k.memory += cost(data)
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
		k.add(g.First+uint64(i), g.Leaves[i], data)
	}
	if k.memory < keepBytes {
		return nil
	}
	return k.save()
}

// save commits what came since the last save, under the head that it came with or the stored one, whichever is newer.
func (k *Keeper) save() error {
	if !k.dirty && len(k.blocks) == 0 && len(k.nodes) == 0 {
		return nil
	}
	v := verifiedPart{replaces: k.replaces, key: k.key, manifest: k.manifest, head: k.head, nodes: k.nodes, blocks: k.blocks}
	if _, err := v.keep(k.ctx, k.into); err != nil {
		return fmt.Errorf("storing verified blocks: %w", err)
	}
	clear(k.blocks)
	k.nodes, k.blocks, k.memory, k.dirty = k.nodes[:0], k.blocks[:0], 0, false
	return nil
}

// Close keeps the rest.
func (k *Keeper) Close() error { return k.save() }
