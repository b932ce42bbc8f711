package store

import (
	"context"
	"fmt"
	"iter"
	"sort"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/blockmap"
	"hc/lib/store/treetable"
)

// storedTree is the tree of a core in the store's own tables, to be compared with one that is computed.
type storedTree struct {
	checker *Checker
	key     keys.Key
	path    string
	above   func(merkle.Node) (bool, error) // whether a node is above a block that is held
	rows    *treetable.Stream
	exact   bool // nothing came behind the position of the tables: what is computed is all there
	wrong   error
	more    error // a node that does not follow from what the log has
}

// storedTree returns the tree to compare, nil if there is none.
func (c *Checker) storedTree(ctx context.Context, key keys.Key, log *coreTables) (*storedTree, error) {
	was, ok := c.was[key]
	if !ok || was.head.Fork != log.file.head.Fork {
		return nil, nil
	}
	d, err := c.openShadow()
	if err != nil {
		return nil, err
	}
	cores := d.applied.cores
	i := sort.Search(len(cores), func(i int) bool { return string(cores[i].key[:]) >= string(key[:]) })
	t := &storedTree{checker: c, key: key, path: c.store.files.coreDir(key), above: log.aboveHeld(ctx), exact: i < len(cores) && cores[i].key == key && cores[i].number == was.number}
	t.rows, err = treetable.NewStream(treeNodes(ctx, was.tables.tree))
	return t, err
}

// expect looks for a node that is right; they come in post-order.
func (t *storedTree) expect(n merkle.Node) error {
	if t == nil {
		return nil
	}
	got, err := t.rows.To(treetable.Number(n.Index), func(extra merkle.Node) error {
		held, err := t.above(extra)
		if held && t.more == nil {
			t.more = fmt.Errorf("node %d does not follow from what the log has", extra.Index)
		}
		return err
	})
	switch {
	case err != nil || t.wrong != nil:
	case got == nil && t.exact:
		t.wrong = fmt.Errorf("node %d is missing", n.Index)
	case got != nil && !agree(*got, n):
		t.wrong = fmt.Errorf("node %d is another one", n.Index)
	}
	return err
}

// aboveHeld returns a function that reports whether a block is held below a node. Nodes above cleared blocks only stay in
// tables when a gc has taken the runs that they follow from out of the log.
func (c *coreTables) aboveHeld(ctx context.Context) func(merkle.Node) (bool, error) {
	return func(n merkle.Node) (bool, error) {
		r, ok, err := c.rangeAt(ctx, merkle.FirstBlock(n.Index))
		return ok && r.First <= merkle.LastBlock(n.Index), err
	}
}

// finish reads the rest, and tells what was found. What the log has lost may be in the tables still: that is no fault of theirs.
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

// testify notes that derived files may know of a core's tree what the log has lost.
func (c *Checker) testify(key keys.Key) {
	if _, ok := c.was[key]; ok {
		c.witness[key], c.derived = true, true
	}
}

// treeNodes gives the nodes of a tree's tables, newest first, in post-order.
func treeNodes(ctx context.Context, tables []limited) iter.Seq2[merkle.Node, error] {
	return func(yield func(merkle.Node, error) bool) {
		for r, err := range mergedRows(ctx, tables) {
			if err != nil {
				yield(merkle.Node{}, err)
				return
			}
			number := uint64(0)
			for _, b := range r.Key {
				number = number<<8 | uint64(b)
			}
			if number >= blockmap.NoLimit {
				yield(merkle.Node{}, fmt.Errorf("%w: a tree has a row %x", errDerived, r.Key))
				return
			}
			if !yield(treetable.DecodeValue(treetable.Index(number), r.Value), nil) {
				return
			}
		}
	}
}
