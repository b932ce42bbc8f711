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

// Onto reads a proof of a head (hc-proof/1, claim head) and keeps that head with its roots, which are all that it takes to
// append. Where the store has a part of the log, the head must be one that it has already, or the stored log's beginning,
// which then goes on from where it is; a longer or another one is kept as seen, and is a *SeenError.
func Onto(ctx context.Context, in *store.Store, key keys.Key, from io.Reader) error {
	claim := proof.Claim{Kind: proof.KindHead}
	sum, err := proof.Verify(ctx, from, proof.Options{Key: &key, Claim: &claim}, nil)
	if err != nil {
		return err
	}
	proved := Proved{Key: key, Manifest: sum.Manifest, Roots: sum.Roots, Head: store.Head{
		Fork:       sum.Head.Fork,
		Length:     sum.Head.Length,
		ByteLength: sum.Head.ByteLength,
		TreeHash:   sum.TreeHash,
		Signature:  sum.Head.Signature,
	}}
	view, err := in.View(ctx, key, false)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && view.Head().Length > 0 {
		return Guard(ctx, in, proved)
	}
	part := verifiedPart{key: key, manifest: proved.Manifest, head: proved.Head, nodes: append([]merkle.Node(nil), proved.Roots...)}
	if _, err := part.keep(ctx, in); err != nil {
		return fmt.Errorf("keeping the head of core %v: %w", key, err)
	}
	return nil
}
