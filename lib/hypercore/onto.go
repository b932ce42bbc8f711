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

// Onto reads a proof of a head (hc-proof/1, claim head) and keeps that head with its roots, which suffice for
// appending. If the claim names another length with `at`, it keeps the roots of that, too. If the store has a part of
// the log, the head must be the stored one, or a beginning of the stored log, which then stays as it is. A longer or
// a different one is kept as seen, and is a *SeenError.
func Onto(ctx context.Context, in *store.Store, key keys.Key, from io.Reader) error {
	var nodes headNodes
	sum, err := proof.Verify(ctx, from, proof.Options{Key: &key, AnyClaim: true}, &nodes)
	if err == nil && sum.Claim.Kind != proof.KindHead {
		err = errNoHead
	}
	if err != nil {
		return err
	}
	proved := Proved{Key: key, Manifest: sum.Manifest, Roots: sum.Roots, Head: store.Head{
		Fork:       sum.Head.Fork,
		Length:     sum.Head.Length,
		ByteLength: sum.Head.ByteLength,
		TreeHash:   merkle.TreeHash(sum.Roots),
		Signature:  sum.Head.Signature,
	}}
	view, err := in.View(ctx, key, false)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && view.Head().Length > 0 {
		return Guard(ctx, in, proved)
	}
	part := verifiedPart{key: key, manifest: proved.Manifest, head: proved.Head, nodes: append(nodes.all, proved.Roots...)}
	if _, err := part.keep(ctx, in); err != nil {
		return fmt.Errorf("keeping the head of core %v: %w", key, err)
	}
	return nil
}

// maxHeadNodes bounds how many nodes are kept of a stream of many heads; one head brings a few for each level of the
// tree.
const maxHeadNodes = 1024

var errNoHead = worded{proof.ErrUnverified, "this is not the proof of a head: make one with hc-fetch KEY --head"}

// headNodes is the tree nodes that came with a head. Blocks are refused.
type headNodes struct{ all []merkle.Node }

// Core implements proof.Sink.
func (n *headNodes) Core(keys.Key, []byte) error { return nil }

// Head implements proof.Sink.
func (n *headNodes) Head(proof.Head, []merkle.Node) error { return nil }

// Group implements proof.GroupSink.
func (n *headNodes) Group(g *proof.Group) error {
	if len(g.Blocks) > 0 {
		return errNoHead
	}
	if len(n.all) < maxHeadNodes {
		n.all = append(append(n.all, g.Received...), g.Computed...)
	}
	return nil
}

// Nodes implements proof.Sink; Group is called instead.
func (n *headNodes) Nodes([]merkle.Node) error { return nil }

// Block implements proof.Sink; Group is called instead.
func (n *headNodes) Block(uint64, []byte, int, int) error { return nil }
