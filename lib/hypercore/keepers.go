package hypercore

import (
	"context"
	"errors"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// Keepers stores what a proof stream proves of one log, or of several whose groups take turns, such as the two of a
// drive. Call Close at the end, even after an error: everything verified until then is kept. A Keepers serves one
// stream.
type Keepers struct {
	ctx  context.Context
	into *store.Store
	logs map[keys.Key]*Keeper
	list []*Keeper // in order of arrival
	now  *Keeper
}

// NewKeepers returns a Keepers for one stream. ctx bounds everything it does.
func NewKeepers(ctx context.Context, into *store.Store) *Keepers {
	return &Keepers{ctx: ctx, into: into, logs: map[keys.Key]*Keeper{}}
}

// Core implements proof.Sink.
func (k *Keepers) Core(key keys.Key, manifest []byte) error {
	if k.now = k.logs[key]; k.now != nil {
		return nil
	}
	k.now = NewKeeper(k.ctx, k.into)
	k.logs[key] = k.now
	k.list = append(k.list, k.now)
	return k.now.Core(key, manifest)
}

// Head implements proof.Sink, as Keeper does.
func (k *Keepers) Head(head proof.Head, roots []merkle.Node) error { return k.now.Head(head, roots) }

// Group implements proof.GroupSink.
func (k *Keepers) Group(g *proof.Group) error { return k.now.Group(g) }

// Nodes implements proof.Sink; Group is called instead.
func (k *Keepers) Nodes(nodes []merkle.Node) error { return k.now.Nodes(nodes) }

// Block implements proof.Sink; Group is called instead.
func (k *Keepers) Block(index uint64, data []byte, first, end int) error {
	return k.now.Block(index, data, first, end)
}

// Close keeps the rest: of a drive, the blobs before the names.
func (k *Keepers) Close() error {
	var err error
	for i := len(k.list) - 1; i >= 0; i-- {
		err = errors.Join(err, k.list[i].Close())
	}
	return err
}
