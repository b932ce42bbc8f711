// Package merkle is the tree over a log's blocks: node numbers, roots, and the proofs that tie blocks to a head.
//
// A writer grows [Roots] leaf by leaf and signs their hash. A peer answers a [Request] with [Prove]; a reader that
// knows only the key checks the answer with [Verify], which returns everything that is then certain. [Seek] finds the
// block that holds a byte. [RangeSiblings] and [ClimbRange] do the same for a run of neighbouring blocks, hashed
// together.
//
// Nothing here does I/O except through a [NodeSource]. Whatever a hostile peer sends, nothing panics or allocates
// beyond the scale of its input.
//
// # Hints
//
// A hash ties a node to its two children's hashes and to the sum of their sizes, not to each of the sizes. So a peer
// that sends two siblings by hash alone may move bytes from one size to the other: the parent's hash stays the same,
// and stock accepts it. The tree would then lie about offsets, though no block can be forged that way.
//
// A node's size is therefore certain only if
//
//   - the node was hashed from its block or from its two children, and tied to a head;
//   - it is a full root of a signed head: the tree hash is over the roots' sizes; or
//   - it is the sibling of a certain node under a certain parent.
//
// Any other node that Verify accepts is a hint (Node.Hint): its hash is proved, its size is only claimed. Hints are
// stored and climbed through like other nodes. An offset is never computed from one: Seek returns a [HintError] that
// names the node. To make it certain, fetch its first block (or a node below it) with a proof; Verify then returns,
// besides new nodes, the known ones whose size this settles, corrected if they were forged.
//
// A signer who makes an inconsistent tree can still give one byte two places, but such a signer can write anything
// anyway.
package merkle
