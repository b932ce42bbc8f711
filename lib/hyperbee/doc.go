// Package hyperbee is a B-tree of names in the blocks of one core, as stock Hyperbee writes and reads it.
//
// Block 0 of the core is a [Header]. Every other block is one change: a key, its value, and the tree nodes that the
// change rewrote, which point to unchanged nodes in older blocks. The first node of the last block is the root. So
// each length at which an append ended is a version that can still be read.
//
// [Open] opens a version to read: [Tree.Get], [Tree.Walk], [Diff], and [Tree.History] of its changes. [NewBatch]
// makes the blocks of the next append; they are, byte for byte, what stock makes of the same operations.
//
// A signature says who wrote a tree, not that the tree is valid. Every part of it that is reached is checked: a walk
// through anything else ends with [ErrCorrupt], in bounded memory, after no more reads than a tree of that version
// could take.
package hyperbee
