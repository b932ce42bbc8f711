package hyperbee

import (
	"context"
	"fmt"
)

// Tree is one version of a tree. It is safe for concurrent use if its Blocks are.
type Tree struct {
	blocks  Blocks
	version uint64
	cache   *cache // nil: none
}

// Open returns the tree at a version, which is a length of its core at which an append ended. Blocks are read when
// they are needed, and a few MiB of the most recent are held. Versions 0 and 1 are empty.
func Open(blocks Blocks, version uint64) *Tree {
	return &Tree{blocks: blocks, version: version, cache: newCache()}
}

// OpenUncached is Open for callers that must know what is read, and when: which blocks a call reads, and in which
// order, follows from the tree alone. The blocks of the nodes from the root to the current one are held; any other is
// read again whenever it is needed, as is a block of more than [MaxHeld] bytes.
func OpenUncached(blocks Blocks, version uint64) *Tree {
	return &Tree{blocks: blocks, version: version}
}

// MaxHeld is the largest size in bytes of a block that is held while the nodes below one of its nodes are walked.
const MaxHeld = 64 << 10

// Version returns the version.
func (t *Tree) Version() uint64 { return t.version }

// Get returns the entry of a key, or ErrNotFound.
func (t *Tree) Get(ctx context.Context, key []byte) (Entry, error) {
	c := newCursor(t, false)
	found, err := c.seek(ctx, key, true)
	if err != nil {
		return Entry{}, err
	}
	if found == nil {
		return Entry{}, fmt.Errorf("%.300q: %w", key, ErrNotFound)
	}
	return found.entry(), nil
}

// read returns block seq, decoded.
func (t *Tree) read(ctx context.Context, seq uint64) (*block, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if t.cache != nil {
		if b := t.cache.get(seq); b != nil {
			return b, nil
		}
	}
	data, err := t.blocks.Block(ctx, seq)
	if err != nil {
		return nil, err
	}
	b, err := decodeBlock(seq, data)
	if err == nil && t.cache != nil {
		t.cache.put(b)
	}
	return b, err
}

// root returns the position of the root. ok is false for the empty tree.
func (t *Tree) root() (at pointer, ok bool) {
	if t.version < 2 {
		return pointer{}, false
	}
	return pointer{seq: t.version - 1}, true
}
