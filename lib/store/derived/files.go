package derived

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"sync"

	"hc/lib/keys"
	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/smallfile"
	"hc/lib/store/table"
	"hc/lib/store/treetable"
)

const (
	indexPages   = 1 << 20  // bytes of the index's pages that are held: few are used twice
	indexFilters = 20 << 20 // bytes of its filters, enough for ten million blocks; used only if there are so many, and they are looked up
	corePages    = 2 << 20  // bytes of pages of cores' tables: the pages of a gigabyte of 64 KiB blocks, so more blocks take no more
)

// Files opens the derived files in one folder, each table once. Safe for concurrent use.
type Files struct {
	Dir   string
	FS    packlog.FS
	Cores *table.Cache              // for all tables except those of the index: reading a long log in order must not evict the index
	Bad   map[packlog.Position]bool // runs that a check has found unreadable: no block is looked for there; never changed
	index *table.Cache

	mu   sync.Mutex
	open map[string]*table.Table
}

// NewFiles returns the files in a store's folder. It reads nothing yet.
func NewFiles(fsys packlog.FS, dir string) *Files {
	return &Files{
		Dir: dir, FS: fsys, index: table.NewCache(indexPages, indexFilters), Cores: table.NewCache(corePages, 0),
		open: make(map[string]*table.Table),
	}
}

// Beside returns files that share the memory of f, and nothing else: closing them only closes their own tables.
func (f *Files) Beside() *Files {
	return &Files{Dir: f.Dir, FS: f.FS, index: f.index, Cores: f.Cores, open: make(map[string]*table.Table)}
}

// IndexPath returns the path of a table of the index.
func (f *Files) IndexPath(number uint64) string {
	return filepath.Join(f.Dir, "index", strconv.FormatUint(number, 10)+".table")
}

// CoreDir returns the folder of a core's files.
func (f *Files) CoreDir(key keys.Key) string {
	return filepath.Join(f.Dir, "cores", keys.DiscoveryKey(key).String())
}

// CorePath returns the path of a file of a core; what is tree, runs, ranges or core.
func (f *Files) CorePath(key keys.Key, number uint64, what string) string {
	return filepath.Join(f.CoreDir(key), strconv.FormatUint(number, 10)+"."+what)
}

// Table returns an open table, which stays open until it is dropped. The error wraps table.ErrDamaged if the file is
// not valid.
func (f *Files) Table(path string, schema table.Schema) (*table.Table, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.open[path]; t != nil {
		return t, nil
	}
	cache := f.Cores
	if schema == IndexSchema {
		cache = f.index
	}
	t, err := table.Open(f.FS, path, schema, cache)
	if err != nil {
		return nil, err
	}
	f.open[path] = t
	return t, nil
}

// Held returns how many tables are open.
func (f *Files) Held() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.open)
}

// ForgetAll drops all tables. Views may still read them: they are closed when nothing refers to them any more.
func (f *Files) ForgetAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.open {
		t.Retire()
	}
	clear(f.open)
}

// Discard drops a table whose file has been removed, or is about to be replaced.
func (f *Files) Discard(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.open[path]; t != nil {
		t.Retire()
	}
	delete(f.open, path)
}

// Close closes all tables; nobody may read them any more.
func (f *Files) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	for path, t := range f.open {
		err = errors.Join(err, t.Close())
		delete(f.open, path)
	}
	return err
}

// ReadApplied returns the file that names all others, an empty one if there is none or it is not valid: then all
// derived files are built again. It is stale if packs were rewritten since.
func (f *Files) ReadApplied(current func(packlog.Position) bool) (*Applied, error) {
	a, err := LoadApplied(f.FS, f.Dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, smallfile.ErrTooLong) || errors.Is(err, ErrDamaged) {
		return &Applied{}, nil
	}
	if err != nil {
		return nil, err
	}
	for _, p := range a.Packs {
		if !current(p) {
			return &Applied{Next: a.Next, Stale: true}, nil
		}
	}
	return a, nil
}

// ReadCore reads the file of a core. The error wraps ErrDamaged if the file is not valid.
func (f *Files) ReadCore(ref CoreRef) (*CoreFile, error) {
	raw, err := smallfile.Read(f.FS, f.CorePath(ref.Key, ref.Number, "core"), maxCoreFile)
	if err != nil {
		return nil, err
	}
	file, err := decodeCoreFile(raw)
	if err == nil && file.Key != ref.Key {
		err = fmt.Errorf("%w: it belongs to core %v", ErrDamaged, file.Key)
	}
	return file, err
}

// OpenCore reads the file of a core, and opens its tables.
func (f *Files) OpenCore(ref CoreRef) (*Core, error) {
	file, err := f.ReadCore(ref)
	if errors.Is(err, ErrDamaged) {
		return nil, fmt.Errorf("reading %s: %w", f.CorePath(ref.Key, ref.Number, "core"), err)
	}
	if err != nil {
		return nil, err
	}
	return f.openTables(file)
}

func (f *Files) openTables(file *CoreFile) (*Core, error) {
	c := &Core{File: file}
	open := func(refs []TableRef, what string, schema table.Schema) (list []Limited, err error) {
		for _, ref := range refs {
			t, err := f.Table(f.CorePath(file.Key, ref.Number, what), schema)
			if err != nil {
				return nil, err
			}
			list = append(list, Limited{t, ref.Limit})
		}
		return list, nil
	}
	var err error
	if c.Tree, err = open(file.Tree, "tree", treetable.Schema); err != nil {
		return nil, err
	}
	if c.Runs, err = open(file.Runs, "runs", blockmap.RunsSchema); err != nil {
		return nil, err
	}
	if file.RangesFile != 0 {
		c.ranges, err = f.Table(f.CorePath(file.Key, file.RangesFile, "ranges"), blockmap.RangesSchema)
	}
	return c, err
}
