package store

import (
	"context"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// Head is what a core's owner signed.
type Head struct {
	Fork, Length, ByteLength uint64
	TreeHash                 hash.Digest
	Signature                []byte // the signature field as it travels (lib/keys), empty for an unsigned empty core
}

// View is a core at one instant. Safe for concurrent use.
type View struct{}

// View returns the core as it is now; with durable only what a power cut cannot take back. ErrNotFound if there is none.
func (s *Store) View(ctx context.Context, key keys.Key, durable bool) (*View, error) {
	return nil, ErrNotFound
}

// Key returns the core's key.
func (v *View) Key() keys.Key { return keys.Key{} }

// Manifest returns the encoded manifest, nil for a compat core. The caller must not change it.
func (v *View) Manifest() []byte { return nil }

// Head returns the newest head; the zero Head if there is none.
func (v *View) Head() Head { return Head{} }

// Has reports whether the block is held.
func (v *View) Has(ctx context.Context, block uint64) (bool, error) { return false, ErrBlockMissing }

// Have returns the next range of blocks [start, end) that are held, at or behind from. ok is false if there is none.
func (v *View) Have(ctx context.Context, from uint64) (start, end uint64, ok bool, err error) {
	return 0, 0, false, ErrBlockMissing
}

// Contiguous returns how many blocks are held from block 0 on without a gap.
func (v *View) Contiguous(ctx context.Context) (uint64, error) { return 0, ErrBlockMissing }

// Node returns a tree node that is held or follows from what is held, else merkle.ErrNodeMissing.
func (v *View) Node(ctx context.Context, index uint64) (merkle.Node, error) {
	return merkle.Node{}, merkle.ErrNodeMissing
}

// Roots returns the roots of the tree at the head's length.
func (v *View) Roots(ctx context.Context) ([]merkle.Node, error) { return nil, merkle.ErrNodeMissing }

// Block returns a block's bytes, which the caller owns. ErrBlockMissing if it is not held, ErrDamaged if the disk lost it.
func (v *View) Block(ctx context.Context, block uint64) ([]byte, error) { return nil, ErrBlockMissing }
