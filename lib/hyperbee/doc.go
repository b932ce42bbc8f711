// Package hyperbee is a B-tree of names over the blocks of one core, as stock Hyperbee writes and reads it.
//
// A core's block 0 is a [Header]; every other block is one change: a key, its value, and the tree nodes that the change
// rewrote, which point to those that stayed in older blocks. The first node of the last block is the root. So each length
// at which an append ended is a version that can still be read.
//
// [Open] reads a version: [Tree.Get], [Tree.Walk], [Diff], and [Tree.History] of its changes. [NewBatch] makes the blocks
// of the next append; they are, byte for byte, what stock makes of the same operations.
//
// A signature says who wrote a tree, not that it is one. What is reached of it is checked: [ErrCorrupt] ends a walk
// through anything else, in bounded memory, after no more reads than a tree of that version could take.
package hyperbee

import "context"

// Blocks are those of the core that the tree is in.
type Blocks interface {
	// Block returns block seq. It stays as it is, and valid for as long as the caller wants it.
	Block(ctx context.Context, seq uint64) ([]byte, error)
}

// Expecter is what Blocks may be, too, if reading takes its time: Expect is told of the blocks that a walk may read soon, as
// soon as that shows: those of a node's keys and children. It must not wait, and may do nothing. Of hostile trees the blocks
// need not exist.
type Expecter interface{ Expect(seqs []uint64) }

// Entry is a key with its value, and the block that they are in. Its bytes must not be changed.
type Entry struct {
	Seq        uint64
	Key, Value []byte // Value is nil if the block has none
}

const (
	maxKeys   = 8
	maxDepth  = 32       // nodes from the root to a leaf; ten million names need ten at most
	maxBlock  = 15 << 20 // bytes, as for every block of a core
	maxNumber = 1<<53 - 1
)
