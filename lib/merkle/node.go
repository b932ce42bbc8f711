package merkle

import (
	"context"
	"errors"
	"fmt"
	"math/bits"

	"hc/lib/hash"
)

// MaxLength is the largest number of blocks in a log, so that every node number stays below 2^53, the end of stock's
// numbers.
const MaxLength = 1 << 52

// MaxBytes is the largest number of bytes in a log, for the same reason.
const MaxBytes = 1<<53 - 1

var (
	// ErrNodeMissing is what a [NodeSource] returns for a node that it does not have.
	ErrNodeMissing = errors.New("tree node is missing")

	// ErrInvalidRequest is returned for a request that no log of that length can answer.
	ErrInvalidRequest = errors.New("invalid request")

	// ErrUnverified is returned for a proof that does not prove what it claims.
	ErrUnverified = errors.New("proof does not verify")

	// ErrFork is returned for a request or proof that is about another fork.
	ErrFork = errors.New("another fork")

	// ErrHint is wrapped by a [HintError].
	ErrHint = errors.New("size of a tree node is only a hint")
)

// HintError names the node whose size would have to be certain to continue. Fetching the first block under it, with
// its proof, makes it so.
type HintError struct {
	Index uint64 // flat-tree number
}

// Error implements error.
func (e *HintError) Error() string {
	return fmt.Sprintf("node %d: %v", e.Index, ErrHint)
}

// Unwrap returns [ErrHint].
func (e *HintError) Unwrap() error { return ErrHint }

// Node is one node of the tree.
type Node struct {
	Index uint64 // flat-tree number
	Size  uint64 // bytes below it
	Hash  hash.Digest
	Hint  bool // Size was only claimed along with hashes, see the package doc
}

// Same reports whether a and b have the same index, size and hash.
func Same(a, b Node) bool { return a.Index == b.Index && a.Size == b.Size && a.Hash == b.Hash }

// A NodeSource returns the tree nodes that somebody holds.
type NodeSource interface {
	// Node returns the node of that flat-tree number, or an error wrapping [ErrNodeMissing].
	Node(ctx context.Context, index uint64) (Node, error)
}

// LeafNode hashes a block and returns its node.
func LeafNode(block uint64, data []byte) Node {
	return LeafNodeHash(block, uint64(len(data)), hash.Leaf(data))
}

// LeafNodeHash returns the node of a block whose leaf hash is known already.
func LeafNodeHash(block, size uint64, h hash.Digest) Node {
	return Node{Index: 2 * block, Size: size, Hash: h}
}

// ParentNode returns the node over two siblings; left has the lower index. Its size is certain, as it is part of the
// hash. The sum of sizes must not overflow; [Verify] and [NewRoots] check that for nodes from outside.
func ParentNode(left, right Node) Node {
	size := left.Size + right.Size
	return Node{Index: Parent(left.Index), Size: size, Hash: hash.Parent(size, left.Hash, right.Hash)}
}

// parentOf returns the parent of two siblings in either order, or an error if their sizes overflow.
func parentOf(a, b Node) (Node, error) {
	if _, carry := bits.Add64(a.Size, b.Size, 0); carry != 0 {
		return Node{}, fmt.Errorf("%w: sizes of nodes %d and %d overflow", ErrUnverified, a.Index, b.Index)
	}
	if a.Index > b.Index {
		a, b = b, a
	}
	return ParentNode(a, b), nil
}

// TreeHash returns the hash over all full roots of a log, from left to right; for none, that of the empty log. It is
// the hash that the writer signs. Source: hypercore-crypto, tree; vectors: crypto.json.
func TreeHash(roots []Node) hash.Digest {
	var stack [24]hash.Root
	list := stack[:0]
	for _, r := range roots {
		list = append(list, hash.Root{Index: r.Index, Size: r.Size, Hash: r.Hash})
	}
	return hash.Tree(list)
}

// ByteLength returns the number of bytes below all roots. Sizes must not overflow.
func ByteLength(roots []Node) uint64 {
	var n uint64
	for _, r := range roots {
		n += r.Size
	}
	return n
}
