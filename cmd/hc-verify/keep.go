package main

import (
	"context"
	"errors"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// keeper keeps what is verified in a store: of one log, or of the two of a drive, whose groups come by turns.
type keeper struct {
	groups
	ctx  context.Context
	into *store.Store
	logs map[keys.Key]*hypercore.Keeper
	list []*hypercore.Keeper // in the order in which they came
	now  *hypercore.Keeper
}

func (k *keeper) Core(key keys.Key, manifest []byte) error {
	if k.now = k.logs[key]; k.now != nil {
		return nil
	}
	k.now = hypercore.NewKeeper(k.ctx, k.into)
	k.logs[key] = k.now
	k.list = append(k.list, k.now)
	return k.now.Core(key, manifest)
}

func (k *keeper) Head(head proof.Head, roots []merkle.Node) error { return k.now.Head(head, roots) }

func (k *keeper) Group(g *proof.Group) error { return k.now.Group(g) }

// close commits what is left, the blobs before the names.
func (k *keeper) close() error {
	var err error
	for i := len(k.list) - 1; i >= 0; i-- {
		err = errors.Join(err, k.list[i].Close())
	}
	return err
}
