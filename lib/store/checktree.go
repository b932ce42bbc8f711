package store

import (
	"context"
	"fmt"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/treetable"
)

// storedTree is the tree of a core in the store's own tables, to be compared with a computed one.
type storedTree struct {
	checker *Checker
	key     keys.Key
	path    string
	above   func(merkle.Node) (bool, error) // whether a node is above a block that is held
	rows    *treetable.Stream
	exact   bool // nothing was appended after the position of the tables: they have everything that is computed
	wrong   error
	more    error // a node that does not follow from what the log has
}

// storedTree returns the tree to compare with, nil if there is none.
func (c *Checker) storedTree(ctx context.Context, key keys.Key, log *derived.Core) (*storedTree, error) {
	was, ok := c.was[key]
	if !ok || was.head.Fork != log.File.Head.Fork {
		return nil, nil
	}
	d, err := c.openShadow()
	if err != nil {
		return nil, err
	}
	ref, ok := d.Applied.Core(key)
	t := &storedTree{checker: c, key: key, path: c.store.files.CoreDir(key), above: aboveHeld(ctx, log), exact: ok && ref.Number == was.number}
	t.rows, err = treetable.NewStream(was.tables.Nodes(ctx))
	return t, err
}

// expect compares a computed node with the stored one. Nodes come in post-order.
func (t *storedTree) expect(n merkle.Node) error {
	if t == nil {
		return nil
	}
	got, err := t.rows.To(treetable.Number(n.Index), func(extra merkle.Node) error {
		held, err := t.above(extra)
		if held && t.more == nil {
			t.more = fmt.Errorf("node %d does not follow from the log", extra.Index)
		}
		return err
	})
	switch {
	case err != nil || t.wrong != nil:
	case got == nil && t.exact:
		t.wrong = fmt.Errorf("node %d is missing", n.Index)
	case got != nil && !agree(*got, n):
		t.wrong = fmt.Errorf("node %d differs", n.Index)
	}
	return err
}

// aboveHeld returns a function that reports whether a block below a node is held. Nodes above cleared blocks only stay
// in tables after a gc has removed the runs that they follow from.
func aboveHeld(ctx context.Context, c *derived.Core) func(merkle.Node) (bool, error) {
	return func(n merkle.Node) (bool, error) {
		r, ok, err := c.RangeAt(ctx, merkle.FirstBlock(n.Index))
		return ok && r.First <= merkle.LastBlock(n.Index), err
	}
}

// finish reads the rest, and reports what was found. The tables may still have what the log has lost: that is not their
// fault.
func (t *storedTree) finish() error {
	if t == nil {
		return nil
	}
	if _, err := t.rows.To(blockmap.NoLimit, nil); err != nil {
		return err
	}
	if t.wrong == nil {
		t.wrong = t.rows.Wrong()
	}
	if t.more != nil && len(t.checker.unknown) > 0 {
		t.checker.testify(t.key)
	}
	if t.wrong == nil && t.exact && len(t.checker.badRuns) == 0 && len(t.checker.unknown) == 0 {
		t.wrong = t.more
	}
	if t.wrong != nil {
		d := derivedCheck{checker: t.checker}
		d.mismatch(t.path, "%w", t.wrong)
	}
	return nil
}

// testify notes that derived files may know parts of a core's tree that the log has lost.
func (c *Checker) testify(key keys.Key) {
	if _, ok := c.was[key]; ok {
		c.witness[key], c.derived = true, true
	}
}
