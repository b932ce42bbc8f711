package hypercore

import (
	"context"
	"fmt"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
)

// RootsAt returns the roots of a core's tree at a length, proved by peers.
type RootsAt func(ctx context.Context, key keys.Key, length uint64) ([]merkle.Node, error)

// maxLeaves is how many leaf hashes of an input are held, 40 MiB, to see whether the log ends with just that.
const maxLeaves = 1 << 20

// ending is what the blocks of an input look like at the end of a log. Up to a number of them its tree hash tells, which
// takes no more of the log than the roots in front of them; of more than that all leaf hashes are compared, which takes a
// store that has them.
type ending struct {
	most  uint64 // leaves that are held: maxLeaves, or all blocks of a shorter log, which more of them cannot be the end of
	pages [][]leaf
	count uint64
	chain hash.Digest // over all leaves
}

const pageLeaves = 4096 // so that many leaves grow without being copied

type leaf struct {
	size uint64
	hash hash.Digest
}

func (e *ending) add(node merkle.Node) {
	e.count++
	e.chain = hash.Parent(node.Size, e.chain, node.Hash)
	if e.count > e.most {
		e.pages = nil
		return
	}
	last := len(e.pages) - 1
	if last < 0 || len(e.pages[last]) == pageLeaves {
		e.pages = append(e.pages, make([]leaf, 0, pageLeaves))
		last++
	}
	e.pages[last] = append(e.pages[last], leaf{node.Size, node.Hash})
}

// unchanged reports whether the log that is stored ends with the blocks that were appended: then appending them a second
// time is not meant.
func (w *Writer) unchanged(ctx context.Context) (bool, error) {
	e := w.ending
	if e.count == 0 || e.count > w.head.Length {
		return false, nil
	}
	if e.count > e.most {
		return w.sameLeaves(ctx)
	}
	at := w.head.Length - e.count
	before, err := w.rootsAt(ctx, at)
	if err != nil {
		return false, fmt.Errorf("comparing %d blocks with the end of core %v: %w", e.count, w.Key(), err)
	}
	tree, err := merkle.NewRoots(at, before)
	if err != nil {
		return false, err
	}
	for _, page := range e.pages {
		for _, leaf := range page {
			tree.Append(merkle.LeafNodeHash(tree.Length(), leaf.size, leaf.hash), nil)
		}
	}
	return tree.TreeHash() == w.head.TreeHash, nil
}

// rootsAt returns the roots of the log at a shorter length: from the store, else from peers.
func (w *Writer) rootsAt(ctx context.Context, length uint64) ([]merkle.Node, error) {
	var roots []merkle.Node
	for _, index := range merkle.FullRoots(length) {
		node, known, err := certain(ctx, w.tx.View(), index)
		switch {
		case err != nil:
			return nil, err
		case !known && w.peers == nil:
			return nil, worded{proof.ErrPartial, fmt.Sprintf("the tree of its first %d blocks is not in this store: name a peer that has it (--peer)", length)}
		case !known:
			return w.peers(ctx, w.Key(), length)
		}
		roots = append(roots, node)
	}
	return roots, nil
}

// sameLeaves compares the leaf hashes of the log's last blocks with those of the input.
func (w *Writer) sameLeaves(ctx context.Context) (bool, error) {
	var stored ending
	for block := w.head.Length - w.ending.count; block < w.head.Length; block++ {
		node, known, err := certain(ctx, w.tx.View(), 2*block)
		if err != nil {
			return false, err
		}
		if !known {
			return false, worded{proof.ErrPartial, fmt.Sprintf("comparing %d blocks with the end of core %v: over %d it takes a store that has them, and this one lacks block %d",
				w.ending.count, w.Key(), w.ending.most, block)}
		}
		stored.chain = hash.Parent(node.Size, stored.chain, node.Hash)
	}
	return stored.chain == w.ending.chain, nil
}
