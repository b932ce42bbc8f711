package positions

import (
	"context"
	"slices"

	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/runs"
	"hc/lib/store/table"
)

const (
	fanIn        = 16      // tables to merge at once
	rowsInMemory = 8 << 10 // positions to sort in memory
)

// row is a position, and where its record is now.
type row struct {
	at packlog.Position
	to runs.Place // unused with setSchema
}

// Set gathers positions in any order, and makes a table of them, sorted by sequence and offset. Memory is flat. Not for
// concurrent use.
type Set struct {
	ctx    context.Context
	of     *Scratch
	schema table.Schema
	rows   []row
	levels [][]*table.Table
	last   packlog.Position
}

// NewSet returns an empty set of positions.
func NewSet(ctx context.Context, of *Scratch) *Set {
	return &Set{ctx: ctx, of: of, schema: setSchema}
}

// NewMoves returns an empty set of positions, each with the place where its record is now, encoded by
// blockmap.AppendPlace.
func NewMoves(ctx context.Context, of *Scratch) *Set {
	return &Set{ctx: ctx, of: of, schema: movesSchema}
}

// Add adds a position; repeated ones count once. to is for a set of moves.
func (s *Set) Add(at packlog.Position, to runs.Place) error {
	if at == s.last { // neighbouring blocks are in one run
		return nil
	}
	s.last = at
	if s.rows = append(s.rows, row{at, to}); len(s.rows) < rowsInMemory {
		return nil
	}
	return s.flush()
}

func (s *Set) flush() error {
	if len(s.rows) == 0 {
		return nil
	}
	slices.SortFunc(s.rows, func(a, b row) int { return comparePositions(a.at, b.at) })
	s.rows = slices.CompactFunc(s.rows, func(a, b row) bool { return comparePositions(a.at, b.at) == 0 })
	w, err := s.of.create(s.schema)
	if err != nil {
		return err
	}
	defer w.Abort()
	for _, r := range s.rows {
		if err := w.w.Add(Key(r.at), blockmap.AppendPlace(nil, r.to)[:s.schema.ValueSize]); err != nil {
			return err
		}
	}
	s.rows = s.rows[:0]
	t, err := w.Finish()
	if err != nil {
		return err
	}
	return s.push(0, t)
}

func comparePositions(a, b packlog.Position) int {
	switch {
	case a.Less(b):
		return -1
	case b.Less(a):
		return 1
	}
	return 0
}

func (s *Set) push(level int, t *table.Table) error {
	if level == len(s.levels) {
		s.levels = append(s.levels, nil)
	}
	s.levels[level] = append(s.levels[level], t)
	if len(s.levels[level]) < fanIn {
		return nil
	}
	merged, err := s.merge(s.levels[level])
	if err != nil {
		return err
	}
	s.levels[level] = nil
	return s.push(level+1, merged)
}

// merge makes one table of several, and removes these.
func (s *Set) merge(tables []*table.Table) (*table.Table, error) {
	w, err := s.of.create(s.schema)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	if err := table.Merge(s.ctx, w.w, nil, tables...); err != nil {
		return nil, err
	}
	merged, err := w.Finish()
	if err != nil {
		return nil, err
	}
	return merged, s.of.drop(tables)
}

// Finish returns the table of all positions. The set must not be used any more.
func (s *Set) Finish() (*table.Table, error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	s.rows = nil
	return s.merge(slices.Concat(s.levels...))
}
