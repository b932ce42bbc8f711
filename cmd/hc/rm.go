package main

import (
	"context"
	"errors"
	"fmt"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/drive"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/store"
)

func newRm(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-rm",
		Usage:       "remove logs from a store",
		ArgsUsage:   "NAME|KEY...",
		Description: rmDescription,
		Flags: []urfave.Flag{
			cli.StoreFlag(),
			&urfave.BoolFlag{Name: "forget-key", Usage: "remove the secret key, too: without a copy of it nobody can append any more"},
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "remove a log, and free its space", Command: "hc rm table && hc gc"},
				{Does: "remove a log of your own for good", Command: "hc rm table --forget-key"},
			},
			SeeAlso:   []string{"hc(1)", "hc-clear(1)", "hc-gc(1)", "hc-keys(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error { return rm(c, std) },
	}
}

const rmDescription = `
hc rm removes logs from the store, with their names, at once and durably; of a drive both of its logs. Other logs keep all of their
blocks, even those that they share with a removed one. Space on the disk is freed by the next 'hc gc'.

A secret key stays in the store unless --forget-key is given: a copy of the log elsewhere is worth little to its owner without it. Before
you append again with that key, fetch the log: two histories that one key signed conflict for good.

A log that somebody is appending to or downloading is not removed: exit code 7.
`

func rm(c *urfave.Context, std *cli.IO) error {
	if !c.Args().Present() {
		return cli.Usagef("no NAME or KEY given")
	}
	in, err := store.Open(c.Context, std.StoreDir(c), store.Options{})
	if err != nil {
		return err
	}
	defer in.Close()
	for _, word := range c.Args().Slice() {
		if err := rmOne(c.Context, std, in, word, c.Bool("forget-key")); err != nil {
			return err
		}
	}
	return nil
}

// rmOne removes a log, its names, and its secret key if that is to be forgotten. It also removes what an interrupted one left.
func rmOne(ctx context.Context, std *cli.IO, in *store.Store, word string, forget bool) error {
	key, err := coreOf(ctx, in, word)
	if err != nil {
		return err
	}
	if err := rmBlobs(ctx, in, key); err != nil {
		return err
	}
	found := true
	if err := hypercore.Drop(ctx, in, key); errors.Is(err, store.ErrNotFound) {
		found = false
	} else if err != nil {
		return err
	}
	named, err := rmNames(ctx, in, key)
	if err != nil {
		return err
	}
	kept, err := rmSecret(ctx, in, key, forget)
	if err != nil {
		return err
	}
	switch {
	case kept != "":
		std.Notef("kept the secret key of %v in %s: --forget-key removes it", key, kept)
	case !found && !named && !forget:
		return cli.Exitf(cli.ErrNotFound, "no log %q in this store", word)
	}
	return nil
}

// rmBlobs removes the blobs of a drive, before its names, from which their key follows.
func rmBlobs(ctx context.Context, in *store.Store, key keys.Key) error {
	cores, err := drive.Cores(ctx, in, key)
	if errors.Is(err, hyperdrive.ErrNotDrive) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrBlockMissing) || errors.Is(err, hyperdrive.ErrNoBlobs) {
		return nil
	}
	if err != nil {
		return err
	}
	err = hypercore.Drop(ctx, in, cores[1])
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// coreOf returns the key for a word, which must not pin a version.
func coreOf(ctx context.Context, in *store.Store, word string) (keys.Key, error) {
	ref, err := hypercore.Find(ctx, in, word)
	if err != nil {
		return keys.Key{}, err
	}
	if ref != (keys.Ref{Key: ref.Key}) {
		return keys.Key{}, cli.Usagef("%q is one version of a log: want its name or key", word)
	}
	return ref.Key, nil
}

// rmNames removes all names of a core, and reports whether it had any.
func rmNames(ctx context.Context, in *store.Store, key keys.Key) (any bool, err error) {
	names, err := in.Names()
	if err != nil {
		return false, err
	}
	for _, n := range names {
		if n.Key != key {
			continue
		}
		any = true
		if err := in.RemoveName(ctx, n.Name); err != nil && !errors.Is(err, store.ErrNotFound) {
			return any, err
		}
	}
	return any, nil
}

// rmSecret removes the secret key if forget is set, and returns where it was kept; empty if there is none.
func rmSecret(ctx context.Context, in *store.Store, key keys.Key, forget bool) (kept string, err error) {
	path, err := in.SecretPath(key)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil || !forget {
		return path, err
	}
	if err := in.RemoveSecret(ctx, key); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return "", nil
}
