package hypercore

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
)

// RootsAt returns the roots of a core's tree at a length, proved by peers.
type RootsAt func(ctx context.Context, key keys.Key, length uint64) ([]merkle.Node, error)

// maxLeaves is the number of leaf hashes of an input that are held, 40 MiB, to see whether the log ends with exactly
// that input.
const maxLeaves = 1 << 20

// ending is the blocks of an input, to be compared with the end of a log. Up to maxLeaves of them are compared by
// tree hash, which needs only the roots of the log before them. If there are more, all leaf hashes are compared,
// which needs a store that has them.
type ending struct {
	most  uint64 // leaves that are held: maxLeaves, or the length of a shorter log, which cannot end with more
	pages [][]leaf
	count uint64
	chain hash.Digest // over all leaves
}

const pageLeaves = 4096 // many leaves grow without being copied

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

// unchanged reports whether the stored log ends with the appended blocks: then appending them a second time is not
// meant.
func (w *Writer) unchanged(ctx context.Context) (bool, error) {
	e := w.ending
	if e.count == 0 || e.count > w.head.Length {
		return false, nil
	}
	if e.count > e.most {
		return w.sameLeaves(ctx)
	}
	same, told, err := w.endsBehindStored(ctx)
	if err != nil || told {
		return same, err
	}
	at := w.head.Length - e.count
	what := fmt.Sprintf("comparing %d blocks with the end of core %v", e.count, w.Key())
	if w.peers == nil {
		return false, worded{proof.ErrPartial, fmt.Sprintf("%s: the tree of its first %d blocks is not in this store: name a peer that has it (--peer)", what, at)}
	}
	roots, err := w.peers(ctx, w.Key(), at)
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	return w.endsBehind(roots)
}

// endsBehind reports whether the log consists of the blocks under roots followed by the appended ones, and nothing
// else.
func (w *Writer) endsBehind(roots []merkle.Node) (bool, error) {
	tree, err := merkle.NewRoots(w.head.Length-w.ending.count, roots)
	if err != nil {
		return false, err
	}
	for _, page := range w.ending.pages {
		for _, leaf := range page {
			tree.Append(merkle.LeafNodeHash(tree.Length(), leaf.size, leaf.hash), nil)
		}
	}
	return tree.TreeHash() == w.head.TreeHash, nil
}

// endsBehindStored is endsBehind with the roots that the store has. told is false if it lacks one.
func (w *Writer) endsBehindStored(ctx context.Context) (same, told bool, err error) {
	var roots []merkle.Node
	for _, index := range merkle.FullRoots(w.head.Length - w.ending.count) {
		root, err := w.tx.View().Node(ctx, index)
		if err == nil && root.Hint {
			root, err = w.settled(ctx, root)
		}
		if errors.Is(err, merkle.ErrNodeMissing) {
			return false, false, nil
		}
		if err != nil {
			return false, false, err
		}
		roots = append(roots, root)
	}
	same, err = w.endsBehind(roots)
	return same, true, err
}

// settled takes a root before the appended blocks, whose size is only a hint, and returns it with the size that it
// has if the log ends with those blocks. Of such a root and its sibling, which then is one of theirs, the sum of the
// sizes is certain.
func (w *Writer) settled(ctx context.Context, root merkle.Node) (merkle.Node, error) {
	at, sibling := w.head.Length-w.ending.count, merkle.Sibling(root.Index)
	first, last := merkle.FirstBlock(sibling), merkle.LastBlock(sibling)
	told, err := w.tx.View().Node(ctx, sibling)
	if err == nil && (first < at || !told.Hint) {
		err = &merkle.HintError{Index: root.Index}
	}
	if err != nil {
		return root, err
	}
	behind, both := uint64(0), root.Size+told.Size
	for i := first - at; i <= last-at; i++ {
		behind += w.ending.pages[i/pageLeaves][i%pageLeaves].size
	}
	root.Size, root.Hint = both-min(behind, both), false // if the size does not fit, the tree hash will not
	return root, nil
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
			return false, worded{proof.ErrPartial, fmt.Sprintf("comparing %d blocks with the end of core %v: more than %d can be compared only in a store that has them, and this one lacks block %d",
				w.ending.count, w.Key(), w.ending.most, block)}
		}
		stored.chain = hash.Parent(node.Size, stored.chain, node.Hash)
	}
	return stored.chain == w.ending.chain, nil
}
