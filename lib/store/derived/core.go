package derived

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"sort"
	"sync/atomic"

	"hc/lib/merkle"
	"hc/lib/store/blockmap"
	"hc/lib/store/table"
	"hc/lib/store/treetable"
)

// Core is the derived state of a core: its file, and the tables that this names, newest first. It is immutable except
// for a memory of the last row. Safe for concurrent use.
type Core struct {
	File       *CoreFile
	Tree, Runs []Limited
	ranges     *table.Table // nil: they are in the file

	last atomic.Pointer[foundRow] // for a caller that reads on from there
}

// foundRow is a row that was found, and the blocks for which a look-up would find the same row.
type foundRow struct {
	blockmap.Row
	blocks blockmap.Range
}

// Limited is a table of which only rows with keys below limit count.
type Limited struct {
	*table.Table
	Limit uint64
}

// Node returns the tree node at a flat-tree index; ok is false if the tables do not have it.
func (c *Core) Node(ctx context.Context, index uint64) (n merkle.Node, ok bool, err error) {
	number := treetable.Number(index)
	var key [8]byte
	binary.BigEndian.PutUint64(key[:], number)
	for _, t := range c.Tree {
		if number >= t.Limit {
			continue
		}
		value, ok, err := t.Get(ctx, key[:])
		if err != nil {
			return merkle.Node{}, false, err
		}
		if ok {
			return treetable.DecodeValue(index, value), true, nil
		}
	}
	return merkle.Node{}, false, nil
}

// Row returns what the tables say about a block; ok is false if they say nothing. The row's other blocks may be overridden by newer tables.
func (c *Core) Row(ctx context.Context, block uint64) (r blockmap.Row, ok bool, err error) {
	if last := c.last.Load(); last != nil && last.blocks.Has(block) {
		return last.Row, true, nil
	}
	until := uint64(blockmap.NoLimit) // the block where a newer table may go on
	for _, t := range c.Runs {
		if block >= t.Limit {
			continue
		}
		key, value, ok, err := t.Floor(ctx, blockmap.Key(block))
		if err != nil {
			return blockmap.Row{}, false, err
		}
		if !ok {
			until = min(until, firstOf(t.Table))
			continue
		}
		r, ok := blockmap.DecodeRow(key, value)
		if !ok {
			return blockmap.Row{}, false, fmt.Errorf("%w: a row of runs of core %v at block %d", ErrDamaged, c.File.Key, block)
		}
		if block < r.End() {
			c.last.Store(&foundRow{r, blockmap.Range{First: block, End: min(until, r.End(), t.Limit)}})
			return r, true, nil
		}
		if string(key) < string(t.Last()) {
			until = block + 1 // its next row may begin anywhere
		}
	}
	return blockmap.Row{}, false, nil
}

// firstOf returns the first block that a table of runs has a row for.
func firstOf(t *table.Table) uint64 {
	if t.Rows() == 0 {
		return blockmap.NoLimit
	}
	return binary.BigEndian.Uint64(t.First())
}

// RangeAt returns the range of held blocks that has block, or else the next one; ok is false if there is none.
func (c *Core) RangeAt(ctx context.Context, block uint64) (r blockmap.Range, ok bool, err error) {
	if c.ranges == nil {
		ranges := c.File.Ranges
		i := sort.Search(len(ranges), func(i int) bool { return ranges[i].End > block })
		if i == len(ranges) {
			return blockmap.Range{}, false, nil
		}
		return ranges[i], true, nil
	}
	key, value, ok, err := c.ranges.Floor(ctx, blockmap.Key(block))
	if err != nil {
		return blockmap.Range{}, false, err
	}
	if ok && binary.BigEndian.Uint64(value) > block {
		return blockmap.Range{First: binary.BigEndian.Uint64(key), End: binary.BigEndian.Uint64(value)}, true, nil
	}
	for r, err := range c.ranges.Scan(ctx, blockmap.Key(block)) {
		if err != nil {
			return blockmap.Range{}, false, err
		}
		return blockmap.Range{First: binary.BigEndian.Uint64(r.Key), End: binary.BigEndian.Uint64(r.Value)}, true, nil
	}
	return blockmap.Range{}, false, nil
}

// AllRanges yields the ranges of held blocks, ascending; none for a nil Core.
func (c *Core) AllRanges(ctx context.Context) iter.Seq2[blockmap.Range, error] {
	return func(yield func(blockmap.Range, error) bool) {
		if c == nil {
			return
		}
		if c.ranges == nil {
			for _, r := range c.File.Ranges {
				if !yield(r, nil) {
					return
				}
			}
			return
		}
		for row, err := range c.ranges.Scan(ctx, nil) {
			if err != nil {
				yield(blockmap.Range{}, err)
				return
			}
			if !yield(blockmap.Range{First: binary.BigEndian.Uint64(row.Key), End: binary.BigEndian.Uint64(row.Value)}, nil) {
				return
			}
		}
	}
}

// EachRow calls fn for the rows of held blocks, ascending.
func (c *Core) EachRow(ctx context.Context, fn func(blockmap.Row) error) error {
	return MergeRuns(ctx, c.Runs, true, fn)
}

// Nodes yields the nodes of the core's tree, in post-order.
func (c *Core) Nodes(ctx context.Context) iter.Seq2[merkle.Node, error] {
	return func(yield func(merkle.Node, error) bool) {
		for r, err := range mergedRows(ctx, c.Tree) {
			if err != nil {
				yield(merkle.Node{}, err)
				return
			}
			number := uint64(0)
			for _, b := range r.Key {
				number = number<<8 | uint64(b)
			}
			if number >= blockmap.NoLimit {
				yield(merkle.Node{}, fmt.Errorf("%w: a tree has a row %x", ErrDamaged, r.Key))
				return
			}
			if !yield(treetable.DecodeValue(treetable.Index(number), r.Value), nil) {
				return
			}
		}
	}
}
