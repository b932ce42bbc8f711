package hyperbee

import "context"

// Blocks reads the blocks of the core that the tree is in.
type Blocks interface {
	// Block returns block seq. Its bytes do not change, and stay valid for as long as the caller wants them.
	Block(ctx context.Context, seq uint64) ([]byte, error)
}

// Expecter is an optional interface of Blocks for slow sources. Expect is called with blocks that a walk may read
// soon, those of a node's keys and children, as soon as they are known. It must not wait, and may do nothing. In
// hostile trees the blocks need not exist.
type Expecter interface{ Expect(seqs []uint64) }

// Entry is a key with its value, and the block that holds both. Its bytes must not be changed.
type Entry struct {
	Seq        uint64
	Key, Value []byte // Value is nil if the block has none
}

const (
	maxKeys   = 8
	maxDepth  = 32       // nodes from the root to a leaf; ten million names need at most ten
	maxBlock  = 15 << 20 // bytes, as for every block of a core
	maxNumber = 1<<53 - 1
)
