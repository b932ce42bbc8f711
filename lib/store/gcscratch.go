package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strconv"

	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/smallfile"
	"hc/lib/store/table"
)

const (
	scratchFolder = "gc"
	scratchFanIn  = 16      // tables that are merged at once
	scratchRows   = 8 << 10 // positions that are sorted in memory
)

var (
	setSchema   = table.Schema{Magic: [4]byte{'h', 'c', 'g', 's'}, KeySize: 16, ValueSize: 1}
	movesSchema = table.Schema{Magic: [4]byte{'h', 'c', 'g', 'm'}, KeySize: 16, ValueSize: blockmap.PlaceSize}
)

// scratch is tables that only one gc reads, in a folder that goes with it. The checkpoint lock keeps others out.
type scratch struct {
	dir   string
	fs    packlog.FS
	cache *table.Cache
	count int
	open  map[*table.Table]string // their paths
}

func (s *Store) newScratch() (*scratch, error) {
	sc := &scratch{dir: filepath.Join(s.dir, scratchFolder), fs: s.fs, cache: s.files.Cores, open: make(map[*table.Table]string)}
	if err := sc.remove(); err != nil { // of one that died
		return nil, err
	}
	return sc, smallfile.MakeFolder(s.fs, sc.dir, 0o755)
}

// remove removes the folder and all in it.
func (sc *scratch) remove() error {
	for t := range sc.open {
		_ = t.Close() // it was only read
	}
	clear(sc.open)
	return removeFolder(sc.fs, sc.dir)
}

// drop removes tables that another one stands for: of a large store there are more than a process may have open.
func (sc *scratch) drop(tables []*table.Table) error {
	for _, t := range tables {
		path := sc.open[t]
		delete(sc.open, t)
		_ = t.Close() // it was only read
		if err := sc.fs.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// removeFolder removes a folder that has only files in it, if it is there.
func removeFolder(fsys packlog.FS, dir string) error {
	names, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := fsys.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing %s: %w", dir, err)
		}
	}
	if err := fsys.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %s: %w", dir, err)
	}
	return nil
}

// scratchWriter writes one table of a scratch.
type scratchWriter struct {
	*table.Writer
	of     *scratch
	path   string
	schema table.Schema
}

func (sc *scratch) create(schema table.Schema) (*scratchWriter, error) {
	sc.count++
	path := filepath.Join(sc.dir, strconv.Itoa(sc.count)+".table")
	w, err := table.Create(sc.fs, path, schema)
	if err != nil {
		return nil, err
	}
	return &scratchWriter{Writer: w, of: sc, path: path, schema: schema}, nil
}

func (w *scratchWriter) finish() (*table.Table, error) {
	if _, err := w.Finish(); err != nil {
		return nil, err
	}
	t, err := table.Open(w.of.fs, w.path, w.schema, w.of.cache)
	if err != nil {
		return nil, err
	}
	w.of.open[t] = w.path
	return t, nil
}

func positionKey(p packlog.Position) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, p.Pack), p.Offset)
}

// positionRow is a position, and where what was there is now.
type positionRow struct {
	at packlog.Position
	to place // nothing for setSchema
}

// positionSet gathers positions in any order and writes them as a sorted table. Memory is flat.
type positionSet struct {
	ctx    context.Context
	of     *scratch
	schema table.Schema
	rows   []positionRow
	levels [][]*table.Table
	last   packlog.Position
}

func (s *positionSet) add(at packlog.Position, to place) error {
	if at == s.last { // neighbouring blocks are in one run
		return nil
	}
	s.last = at
	if s.rows == nil {
		s.rows = make([]positionRow, 0, scratchRows)
	}
	if s.rows = append(s.rows, positionRow{at, to}); len(s.rows) < scratchRows {
		return nil
	}
	return s.flush()
}

func (s *positionSet) flush() error {
	if len(s.rows) == 0 {
		return nil
	}
	slices.SortFunc(s.rows, func(a, b positionRow) int { return comparePositions(a.at, b.at) })
	s.rows = slices.CompactFunc(s.rows, func(a, b positionRow) bool { return comparePositions(a.at, b.at) == 0 })
	w, err := s.of.create(s.schema)
	if err != nil {
		return err
	}
	defer w.Abort()
	for _, r := range s.rows {
		if err := w.Add(positionKey(r.at), blockmap.AppendPlace(nil, r.to)[:s.schema.ValueSize]); err != nil {
			return err
		}
	}
	s.rows = s.rows[:0]
	t, err := w.finish()
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

func (s *positionSet) push(level int, t *table.Table) error {
	if level == len(s.levels) {
		s.levels = append(s.levels, nil)
	}
	s.levels[level] = append(s.levels[level], t)
	if len(s.levels[level]) < scratchFanIn {
		return nil
	}
	merged, err := s.merge(s.levels[level])
	if err != nil {
		return err
	}
	s.levels[level] = nil
	return s.push(level+1, merged)
}

// merge makes one table of several, which are gone then.
func (s *positionSet) merge(tables []*table.Table) (*table.Table, error) {
	w, err := s.of.create(s.schema)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	if err := table.Merge(s.ctx, w.Writer, nil, tables...); err != nil {
		return nil, err
	}
	merged, err := w.finish()
	if err != nil {
		return nil, err
	}
	return merged, s.of.drop(tables)
}

// finish returns the table of all positions.
func (s *positionSet) finish() (*table.Table, error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	s.rows = nil
	return s.merge(slices.Concat(s.levels...))
}

// positionReader goes through a table of positions along with an ascending series of others.
type positionReader struct {
	next func() (table.Row, error, bool)
	stop func()
	key  []byte // nil: no more
}

func readPositions(ctx context.Context, t *table.Table, from packlog.Position) (*positionReader, error) {
	next, stop := iter.Pull2(t.Scan(ctx, positionKey(from)))
	r := &positionReader{next: next, stop: stop}
	return r, r.advance()
}

func (r *positionReader) advance() error {
	row, err, ok := r.next()
	if !ok || err != nil {
		r.key = nil
		return err
	}
	r.key = append(r.key[:0], row.Key...)
	return nil
}

// has reports whether the table has a position; passed is called for those that it had in between.
func (r *positionReader) has(p packlog.Position, passed func(pack uint64)) (bool, error) {
	key := positionKey(p)
	for r.key != nil {
		switch bytes.Compare(r.key, key) {
		case 0:
			return true, r.advance()
		case 1:
			return false, nil
		}
		if passed != nil {
			passed(binary.BigEndian.Uint64(r.key))
		}
		if err := r.advance(); err != nil {
			return false, err
		}
	}
	return false, nil
}
