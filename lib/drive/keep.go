package drive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// Keeper stores what a proof stream proved, of one log, or of the two of a drive, whose groups come by turns. Call Close at
// the end, also behind an error: what was verified until then is kept. For one stream.
type Keeper struct {
	ctx  context.Context
	into *store.Store
	logs map[keys.Key]*hypercore.Keeper
	list []*hypercore.Keeper // in the order in which they came
	now  *hypercore.Keeper
}

// NewKeeper returns a Keeper for one stream. ctx bounds all that it does.
func NewKeeper(ctx context.Context, into *store.Store) *Keeper {
	return &Keeper{ctx: ctx, into: into, logs: map[keys.Key]*hypercore.Keeper{}}
}

// Core implements proof.Sink.
func (k *Keeper) Core(key keys.Key, manifest []byte) error {
	if k.now = k.logs[key]; k.now != nil {
		return nil
	}
	k.now = hypercore.NewKeeper(k.ctx, k.into)
	k.logs[key] = k.now
	k.list = append(k.list, k.now)
	return k.now.Core(key, manifest)
}

// Head implements proof.Sink, as hypercore.Keeper does.
func (k *Keeper) Head(head proof.Head, roots []merkle.Node) error { return k.now.Head(head, roots) }

// Group implements proof.GroupSink.
func (k *Keeper) Group(g *proof.Group) error { return k.now.Group(g) }

// Nodes implements proof.Sink; Group is called instead.
func (k *Keeper) Nodes(nodes []merkle.Node) error { return k.now.Nodes(nodes) }

// Block implements proof.Sink; Group is called instead.
func (k *Keeper) Block(index uint64, data []byte, first, end int) error {
	return k.now.Block(index, data, first, end)
}

// Close keeps the rest, that of the blobs before that of the names.
func (k *Keeper) Close() error {
	var err error
	for i := len(k.list) - 1; i >= 0; i-- {
		err = errors.Join(err, k.list[i].Close())
	}
	return err
}

// Onto reads a proof of a drive's names (hc-proof/1, claim names) and keeps them, with the heads of both logs: all that it
// takes to import the drive's next version where the drive is not. A head that does not go on from what the store has is
// kept as seen, and is a *hypercore.SeenError.
func Onto(ctx context.Context, in *store.Store, key keys.Key, from io.Reader) error {
	keeper := NewKeeper(ctx, in)
	_, err := proof.Verify(ctx, from, proof.Options{Key: &key, Claim: &proof.Claim{Kind: proof.KindNames}}, keeper)
	if closeErr := keeper.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("keeping the names of drive %v: %w", key, err)
	}
	return nil
}
