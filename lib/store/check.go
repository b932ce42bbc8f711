package store

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// Finding is one thing that a check found to be wrong.
type Finding struct {
	Core       keys.Key
	First, End uint64 // the blocks that are hurt; none where both are the same
	What       string // what is wrong, and where
}

// CheckOptions say what a check tells while it runs.
type CheckOptions struct {
	Found    func(Finding)           // is called with each finding, in the order of cores and blocks; must be there
	Progress func(bytes, blocks int) // is told of what was read; nil: nobody is
}

// Check reads every block of every core of the store and compares it with its leaf hash, the leaves with the tree, and the
// tree with the head and its signature. It returns an error where it could not go on, not for what it found.
func (s *Store) Check(ctx context.Context, options CheckOptions) error {
	cores, err := s.Cores(ctx)
	if err != nil {
		return err
	}
	for _, key := range cores {
		v, err := s.View(ctx, key, false)
		if err != nil {
			return err
		}
		c := coreCheck{view: v, options: options}
		if err := c.run(ctx); err != nil {
			return fmt.Errorf("checking core %v: %w", key, err)
		}
	}
	return nil
}

// coreCheck compares one core with itself.
type coreCheck struct {
	view    *View
	options CheckOptions
	hurt    Finding // of blocks, not told yet
}

func (c *coreCheck) run(ctx context.Context) error {
	if err := c.head(ctx); err != nil {
		return err
	}
	for at := uint64(0); ; {
		first, end, ok, err := c.view.Have(ctx, at)
		if err != nil {
			return err
		}
		if !ok {
			c.tell()
			return nil
		}
		for block := first; block < end; block++ {
			if err := c.block(ctx, block); err != nil {
				return err
			}
		}
		at = end
	}
}

// head compares the tree's roots with the head, and the head with its signature.
func (c *coreCheck) head(ctx context.Context) error {
	head := c.view.Head()
	if head.Length == 0 && len(head.Signature) == 0 {
		return nil // made, and not signed yet
	}
	auth, err := keys.NewAuth(c.view.Key(), c.view.Manifest())
	if err == nil {
		err = auth.Verify(keys.Head{Fork: head.Fork, Length: head.Length, TreeHash: head.TreeHash}, head.Signature)
	}
	if err != nil {
		c.found(Finding{What: fmt.Sprintf("head of %d blocks, fork %d: %v", head.Length, head.Fork, err)})
	}
	roots, err := c.view.Roots(ctx)
	switch {
	case errors.Is(err, merkle.ErrNodeMissing) || errors.Is(err, ErrDamaged):
		c.found(Finding{What: fmt.Sprintf("head of %d blocks: its roots are not there: %v", head.Length, err)})
	case err != nil:
		return err
	case merkle.TreeHash(roots) != head.TreeHash || merkle.ByteLength(roots) != head.ByteLength:
		c.found(Finding{What: fmt.Sprintf("head of %d blocks: the roots of the tree are not those that were signed", head.Length)})
	}
	return nil
}

func (c *coreCheck) block(ctx context.Context, block uint64) error {
	data, err := c.view.Block(ctx, block)
	if err != nil {
		return c.blockHurt(block, err)
	}
	leaf, err := c.view.Node(ctx, 2*block)
	if err != nil {
		return c.blockHurt(block, err)
	}
	if leaf.Size != uint64(len(data)) || leaf.Hash != hash.Leaf(data) {
		return c.blockHurt(block, fmt.Errorf("%w: the bytes do not have the leaf hash of the tree", ErrDamaged))
	}
	if c.options.Progress != nil {
		c.options.Progress(len(data), 1)
	}
	return nil
}

// blockHurt takes what is damage into a finding, together with its neighbours; other errors are returned.
func (c *coreCheck) blockHurt(block uint64, err error) error {
	if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrBlockMissing) && !errors.Is(err, merkle.ErrNodeMissing) {
		return err
	}
	if c.hurt.End != block || c.hurt.First == c.hurt.End {
		c.tell()
		c.hurt = Finding{First: block, What: err.Error()}
	}
	c.hurt.End = block + 1
	return nil
}

// tell tells of the blocks that are hurt, if any.
func (c *coreCheck) tell() {
	if c.hurt.First < c.hurt.End {
		c.found(c.hurt)
	}
	c.hurt = Finding{}
}

func (c *coreCheck) found(f Finding) {
	f.Core = c.view.Key()
	c.options.Found(f)
}
