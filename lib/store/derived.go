package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/smallfile"
	"hc/lib/store/table"
	"hc/lib/store/treetable"
)

const (
	maxAppliedFile = 256 << 20 // bytes; a million cores take a sixth
	maxCoreFile    = 32 << 20  // bytes
)

// indexSchema is that of the tables of the index; see FORMAT.md.
var indexSchema = table.Schema{Magic: [4]byte{'h', 'c', 'i', 'x'}, KeySize: hash.Size, ValueSize: blockmap.PlaceSize}

// files opens derived tables, each once.
type files struct {
	dir   string
	fs    packlog.FS
	index *table.Cache              // for the tables of the index
	cores *table.Cache              // for all others: who reads a long log in order leaves the index its own
	bad   map[packlog.Position]bool // runs that cannot be read, as a check has found: nothing is looked for there; never changed

	mu   sync.Mutex
	open map[string]*table.Table
}

func newFiles(fsys packlog.FS, dir string) *files {
	return &files{
		dir: dir, fs: fsys, index: table.NewCache(indexPages, indexFilters), cores: table.NewCache(corePages, 0),
		open: make(map[string]*table.Table),
	}
}

// beside returns files that share the memory, and nothing else: who closes them closes his own tables.
func (f *files) beside() *files {
	return &files{dir: f.dir, fs: f.fs, index: f.index, cores: f.cores, open: make(map[string]*table.Table)}
}

func (f *files) indexPath(number uint64) string {
	return filepath.Join(f.dir, "index", strconv.FormatUint(number, 10)+".table")
}

func (f *files) coreDir(key keys.Key) string {
	return filepath.Join(f.dir, "cores", keys.DiscoveryKey(key).String())
}

func (f *files) corePath(key keys.Key, number uint64, what string) string {
	return filepath.Join(f.coreDir(key), strconv.FormatUint(number, 10)+"."+what)
}

func (f *files) table(path string, schema table.Schema) (*table.Table, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.open[path]; t != nil {
		return t, nil
	}
	cache := f.cores
	if schema == indexSchema {
		cache = f.index
	}
	t, err := table.Open(f.fs, path, schema, cache)
	if err != nil {
		return nil, err
	}
	f.open[path] = t
	return t, nil
}

// forgetAll drops all tables. Views may still read them: they are closed when nothing refers to them any more.
func (f *files) forgetAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.open {
		t.Retire()
	}
	clear(f.open)
}

// discard drops a table whose file is removed, or about to be another one.
func (f *files) discard(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.open[path]; t != nil {
		t.Retire()
	}
	delete(f.open, path)
}

func (f *files) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	for path, t := range f.open {
		err = errors.Join(err, t.Close())
		delete(f.open, path)
	}
	return err
}

// readApplied returns what `applied` names, an empty one if there is none, or if it is not what it should be: then all
// that is derived is built again. It is stale if packs were rewritten since.
func (f *files) readApplied(current func(packlog.Position) bool) (*applied, error) {
	raw, err := smallfile.Read(f.fs, filepath.Join(f.dir, appliedName), maxAppliedFile)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, smallfile.ErrTooLong) {
		return &applied{}, nil
	}
	if err != nil {
		return nil, err
	}
	a, err := decodeApplied(raw)
	if err != nil {
		return &applied{}, nil
	}
	for _, p := range a.packs {
		if !current(p) {
			return &applied{next: a.next, stale: true}, nil
		}
	}
	return a, nil
}

// derived is what one `applied` names. Safe for concurrent use.
type derived struct {
	files   *files
	applied *applied
	index   []*table.Table // newest first

	mu    sync.Mutex
	cores map[keys.Key]*coreTables
}

func openDerived(f *files, a *applied) (*derived, error) {
	d := &derived{files: f, applied: a, cores: make(map[keys.Key]*coreTables)}
	for _, ref := range a.index {
		t, err := f.table(f.indexPath(ref.number), indexSchema)
		if err != nil {
			return nil, err
		}
		d.index = append(d.index, t)
	}
	return d, nil
}

// places calls fn for what the index knows about a block, newest first, until it returns false.
func (d *derived) places(ctx context.Context, leaf hash.Digest, fn func(place) bool) error {
	for _, t := range d.index {
		value, ok, err := t.Get(ctx, leaf[:])
		if err != nil {
			return err
		}
		if ok && !fn(blockmap.DecodePlace(value)) {
			return nil
		}
	}
	return nil
}

// hasPlace reports whether the index knows a place of a block that is current.
func (d *derived) hasPlace(ctx context.Context, leaf hash.Digest, current func(packlog.Position) bool) (known bool, err error) {
	err = d.places(ctx, leaf, func(p place) bool {
		known = current(p.Run)
		return !known
	})
	return known, err
}

// core returns the derived state of a core, nil if there is none.
func (d *derived) core(key keys.Key) (*coreTables, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.cores[key]; c != nil {
		return c, nil
	}
	cores := d.applied.cores
	i := sort.Search(len(cores), func(i int) bool { return string(cores[i].key[:]) >= string(key[:]) })
	if i == len(cores) || cores[i].key != key {
		return nil, nil
	}
	c, err := d.files.openCore(key, cores[i].number)
	if err != nil {
		return nil, err
	}
	d.cores[key] = c
	return c, nil
}

// coreTables is the derived state of a core. Immutable, but for what it remembers.
type coreTables struct {
	file       *coreFile
	tree, runs []limited
	ranges     *table.Table // nil: they are in the file

	last atomic.Pointer[foundRow] // for who reads on from there
}

// foundRow is a row that was found, and for which blocks nothing else would be.
type foundRow struct {
	blockmap.Row
	blocks blockmap.Range
}

// limited is a table of which only rows with keys below limit count.
type limited struct {
	*table.Table
	limit uint64
}

func (f *files) openCore(key keys.Key, number uint64) (*coreTables, error) {
	path := f.corePath(key, number, "core")
	raw, err := smallfile.Read(f.fs, path, maxCoreFile)
	if err != nil {
		return nil, err
	}
	file, err := decodeCoreFile(raw)
	if err == nil && file.key != key {
		err = fmt.Errorf("%w: it is of core %v", errDerived, file.key)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return f.openTables(file)
}

func (f *files) openTables(file *coreFile) (*coreTables, error) {
	c := &coreTables{file: file}
	open := func(refs []tableRef, what string, schema table.Schema) (list []limited, err error) {
		for _, ref := range refs {
			t, err := f.table(f.corePath(file.key, ref.number, what), schema)
			if err != nil {
				return nil, err
			}
			list = append(list, limited{t, ref.limit})
		}
		return list, nil
	}
	var err error
	if c.tree, err = open(file.tree, "tree", treetable.Schema); err != nil {
		return nil, err
	}
	if c.runs, err = open(file.runs, "runs", blockmap.RunsSchema); err != nil {
		return nil, err
	}
	if file.rangesFile != 0 {
		c.ranges, err = f.table(f.corePath(file.key, file.rangesFile, "ranges"), blockmap.RangesSchema)
	}
	return c, err
}

// node returns a tree node.
func (c *coreTables) node(ctx context.Context, index uint64) (merkle.Node, bool, error) {
	number := treetable.Number(index)
	var key [8]byte
	binary.BigEndian.PutUint64(key[:], number)
	for _, t := range c.tree {
		if number >= t.limit {
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

// row returns what the tables say about a block. The row's other blocks may be overridden by newer tables.
func (c *coreTables) row(ctx context.Context, block uint64) (blockmap.Row, bool, error) {
	if last := c.last.Load(); last != nil && last.blocks.Has(block) {
		return last.Row, true, nil
	}
	until := uint64(blockmap.NoLimit) // the block where a newer table may go on
	for _, t := range c.runs {
		if block >= t.limit {
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
			return blockmap.Row{}, false, fmt.Errorf("%w: a row of runs of core %v at block %d", errDerived, c.file.key, block)
		}
		if block < r.End() {
			c.last.Store(&foundRow{r, blockmap.Range{First: block, End: min(until, r.End(), t.limit)}})
			return r, true, nil
		}
		if string(key) < string(t.Last()) {
			until = block + 1 // its next row may begin anywhere
		}
	}
	return blockmap.Row{}, false, nil
}

// firstOf returns the first block that a table of runs speaks of.
func firstOf(t *table.Table) uint64 {
	if t.Rows() == 0 {
		return blockmap.NoLimit
	}
	return binary.BigEndian.Uint64(t.First())
}

// rangeAt returns the range of held blocks that has block, or else the next one.
func (c *coreTables) rangeAt(ctx context.Context, block uint64) (blockmap.Range, bool, error) {
	if c.ranges == nil {
		ranges := c.file.ranges
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
