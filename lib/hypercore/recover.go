package hypercore

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// NewFork signs the stored log, as it is, under a fork above every one that was seen: of all heads that the key
// signed, it is then the one to follow. It returns the head before and the new one. ErrConflict if no other head was
// seen: the new fork would stop readers, which follow nothing by themselves, for no reason.
func NewFork(ctx context.Context, in *store.Store, word string, options AppendOptions) (before, after store.Head, err error) {
	options.recovers = true
	w, err := OpenWriter(ctx, in, word, options)
	if err != nil {
		return before, after, err
	}
	defer w.Abort()
	seen, err := in.SeenHeads(ctx, w.Key())
	if err != nil {
		return before, after, err
	}
	before = w.head
	switch {
	case len(seen) == 0:
		return before, after, fmt.Errorf("%w: no other head of core %q was seen: a new fork would only stop its readers", ErrConflict, word)
	case before.Length == 0:
		return before, after, fmt.Errorf("%w: core %q has nothing here that could be signed", ErrConflict, word)
	}
	fork := before.Fork
	for _, head := range seen {
		fork = max(fork, head.Fork)
	}
	if err := w.tx.Truncate(ctx, fork+1, before.Length); err != nil {
		return before, after, err
	}
	w.head.Fork = fork + 1
	err = w.tx.Commit(ctx, func() (store.Head, error) {
		var err error
		after, err = w.sign()
		return after, err
	})
	return before, after, err
}

// Settle settles the seen heads that the stored log has come to include, and returns the others.
func Settle(ctx context.Context, in *store.Store, key keys.Key) (left []store.Head, err error) {
	seen, err := in.SeenHeads(ctx, key)
	if err != nil || len(seen) == 0 {
		return nil, err
	}
	err = again(func() error {
		left, err = settle(ctx, in, key, seen)
		return err
	})
	return left, err
}

func settle(ctx context.Context, in *store.Store, key keys.Key, seen []store.Head) (left []store.Head, err error) {
	tx, err := in.Begin(ctx, key, store.TxOptions{Durable: true})
	if err != nil {
		return nil, err
	}
	defer tx.Abort()
	for _, head := range seen {
		relation, err := relate(ctx, tx.View(), head, nil)
		if err != nil {
			return nil, err
		}
		if relation != Behind {
			left = append(left, head)
			continue
		}
		if err := tx.Settle(ctx, head); err != nil {
			return nil, err
		}
	}
	if len(left) == len(seen) {
		return left, nil
	}
	return left, tx.Commit(ctx, nil)
}

// Proved returns the newest verified head with its roots. Wait for it with Head.
func (d *Download) Proved() Proved {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := Proved{Key: d.key, Head: d.head, Roots: d.state.Roots}
	if d.auth != nil {
		p.Manifest = d.auth.Manifest()
	}
	return p
}

// Hash waits for the hash of a tree node, whose size may be only a hint. It fails with proof.ErrPartial when the node
// will not come.
func (d *Download) Hash(ctx context.Context, index uint64) (sum hash.Digest, err error) {
	err = d.await(ctx, func() (bool, error) {
		node, err := d.node(ctx, index)
		if !errors.Is(err, merkle.ErrNodeMissing) {
			sum, d.reader.node.waits = node.Hash, false
			return true, err
		}
		if d.finished {
			return false, d.missing(fmt.Errorf("%w: %w", proof.ErrPartial, err))
		}
		d.wait(&d.reader.node, index)
		return false, nil
	})
	return sum, err
}

// Common returns how many blocks, from the first one on, the log of a view and another log share. The result may be
// too low if the view lacks nodes. hash returns the nodes of the other log, which has length blocks; it is called for
// O(log n) of them.
func Common(ctx context.Context, view *store.View, length uint64, hash func(ctx context.Context, index uint64) (hash.Digest, error)) (uint64, error) {
	w := walk{ours: view, hash: hash, limit: min(length, view.Head().Length)}
	for _, root := range merkle.FullRoots(length) {
		if all, err := w.under(ctx, root); err != nil || !all {
			return w.common, err
		}
	}
	return w.common, nil
}

type walk struct {
	ours   *store.View
	hash   func(ctx context.Context, index uint64) (hash.Digest, error)
	limit  uint64 // blocks that both may have
	common uint64 // blocks that both have; the walk goes from left to right
}

// under walks the blocks below a node of the other log and reports whether ours has all of them.
func (w *walk) under(ctx context.Context, index uint64) (all bool, err error) {
	if merkle.FirstBlock(index) >= w.limit {
		return false, nil
	}
	ours, known, err := certain(ctx, w.ours, index)
	if err != nil {
		return false, err
	}
	if known {
		theirs, err := w.hash(ctx, index)
		if err != nil {
			return false, err
		}
		if theirs == ours.Hash {
			w.common += merkle.Leaves(index)
			return true, nil
		}
	}
	left, right, inner := merkle.Children(index)
	if !inner {
		return false, nil
	}
	if all, err := w.under(ctx, left); err != nil || !all {
		return false, err
	}
	return w.under(ctx, right)
}

// Follow replaces the log of a view, which must be the newest, with one of a higher fork: it cuts history back to the
// blocks that both share and takes the new head. ErrConflict if the store has changed since.
func Follow(ctx context.Context, in *store.Store, view *store.View, proved Proved, common uint64) error {
	return again(func() error {
		tx, err := in.Begin(ctx, proved.Key, store.TxOptions{Manifest: proved.Manifest, Durable: true})
		if err != nil {
			return err
		}
		defer tx.Abort()
		if now := tx.View().Head(); !sameHead(now, view.Head()) {
			return fmt.Errorf("%w: core %v was changed by another process meanwhile: try again", ErrConflict, proved.Key)
		}
		if err := tx.Truncate(ctx, proved.Head.Fork, common); err != nil {
			return err
		}
		if err := tx.Nodes(ctx, proved.Roots); err != nil {
			return err
		}
		return tx.Commit(ctx, func() (store.Head, error) { return proved.Head, nil })
	})
}
