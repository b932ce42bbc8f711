package hypercore

import (
	"context"
	"errors"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// Keepers stores what a proof stream proved of one log, or of several whose groups come by turns, such as the two of a drive. Call Close at
// the end, also behind an error: what was verified until then is kept. For one stream.
type Keepers struct {
	ctx  context.Context
	into *store.Store
	logs map[keys.Key]*Keeper
	list []*Keeper // in the order in which they came
	now  *Keeper
}

// NewKeepers returns a Keepers for one stream. ctx bounds all that it does.
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

// Close keeps the rest, that of the blobs before that of the names.
func (k *Keepers) Close() error {
	var err error
	for i := len(k.list) - 1; i >= 0; i-- {
		err = errors.Join(err, k.list[i].Close())
	}
	return err
}
