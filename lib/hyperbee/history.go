package hyperbee

import "context"

// Change is what a block did to the tree.
type Change struct {
	Entry
	Deleted bool
}

// History calls each for the changes up to the tree's version, beginning with block from.
func (t *Tree) History(ctx context.Context, from uint64, each func(Change) error) error {
	for seq := max(from, 1); seq < t.version; seq++ {
		b, err := t.read(ctx, seq)
		if err != nil {
			return err
		}
		deleted, err := b.deleted()
		if err != nil {
			return err
		}
		if err := each(Change{Entry: b.entry(), Deleted: deleted}); err != nil {
			return err
		}
	}
	return nil
}
