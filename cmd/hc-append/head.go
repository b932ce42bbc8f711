package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"hc/lib/cli"
	"hc/lib/drive"
	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/replicate"
	"hc/lib/store"
)

// goOnFrom stores the head that --onto names.
func (j job) goOnFrom(ctx context.Context, in *store.Store) error {
	if j.onto == "" {
		return nil
	}
	ref, err := hypercore.Find(ctx, in, j.word)
	if errors.Is(err, store.ErrNotFound) {
		return cli.Hint(err, "with --onto, give the log's KEY")
	}
	if err != nil {
		return err
	}
	file, err := os.Open(j.onto)
	if err != nil {
		return fmt.Errorf("reading the head to continue from: %w", err)
	}
	defer file.Close()
	onto, of := hypercore.Onto, "--head"
	if j.drive {
		onto, of = drive.Onto, "--names"
	}
	err = onto(ctx, in, ref.Key, file)
	var other *proof.ClaimError
	if errors.As(err, &other) {
		err = cli.Hint(err, "make it with hc-fetch "+of)
	}
	if err != nil {
		return fmt.Errorf("continuing from the head in %q: %w", j.onto, err)
	}
	return nil
}

// askHeads asks each peer for its newest head. All of them have to answer.
func (j job) askHeads(ctx context.Context, key keys.Key) (heads []hypercore.Proved, err error) {
	for _, peer := range j.peers {
		proved, err := replicate.AskHead(ctx, key, peer, replicate.FetchOptions{})
		if err != nil {
			return nil, fmt.Errorf("asking for the newest head: %w", err)
		}
		heads = append(heads, proved)
	}
	return heads, nil
}

func (j job) askRoots(ctx context.Context, key keys.Key, length uint64) ([]merkle.Node, error) {
	return replicate.AskRoots(ctx, key, length, j.peers, replicate.FetchOptions{})
}
