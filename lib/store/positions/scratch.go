package positions

import (
	"encoding/binary"
	"path/filepath"
	"strconv"

	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/smallfile"
	"hc/lib/store/table"
)

// The schemas of sets: see [Set].
var (
	setSchema   = table.Schema{Magic: [4]byte{'h', 'c', 'g', 's'}, KeySize: 16, ValueSize: 1}
	movesSchema = table.Schema{Magic: [4]byte{'h', 'c', 'g', 'm'}, KeySize: 16, ValueSize: blockmap.PlaceSize}
)

// Scratch is tables that only one process reads, in a folder of their own. The caller keeps others out. Not for
// concurrent use.
type Scratch struct {
	dir   string
	fs    packlog.FS
	cache *table.Cache
	count int
	open  map[*table.Table]string // with their paths
}

// NewScratch makes the folder, and removes what an earlier scratch has left in it. cache is for reading the tables.
func NewScratch(fsys packlog.FS, dir string, cache *table.Cache) (*Scratch, error) {
	sc := &Scratch{dir: dir, fs: fsys, cache: cache, open: make(map[*table.Table]string)}
	if err := sc.Remove(); err != nil { // of a process that died
		return nil, err
	}
	return sc, smallfile.MakeFolder(fsys, dir, 0o755)
}

// Remove removes the folder with everything in it.
func (sc *Scratch) Remove() error {
	for t := range sc.open {
		_ = t.Close() // it was only read
	}
	clear(sc.open)
	return smallfile.RemoveFolder(sc.fs, sc.dir)
}

// drop removes tables that another one replaces: a large store has more than a process may have open.
func (sc *Scratch) drop(tables []*table.Table) error {
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

// Writer writes one table of a scratch.
type Writer struct {
	w      *table.Writer
	of     *Scratch
	path   string
	schema table.Schema
}

// CreateSet begins a table of positions, which must be added in order.
func (sc *Scratch) CreateSet() (*Writer, error) { return sc.create(setSchema) }

func (sc *Scratch) create(schema table.Schema) (*Writer, error) {
	sc.count++
	path := filepath.Join(sc.dir, strconv.Itoa(sc.count)+".table")
	w, err := table.Create(sc.fs, path, schema)
	if err != nil {
		return nil, err
	}
	return &Writer{w: w, of: sc, path: path, schema: schema}, nil
}

// Add adds a position, which must be above the earlier ones.
func (w *Writer) Add(at packlog.Position) error { return w.w.Add(Key(at), []byte{1}) }

// Abort removes the table, unless it is finished.
func (w *Writer) Abort() { w.w.Abort() }

// Finish ends the table, and opens it. It is closed with the scratch.
func (w *Writer) Finish() (*table.Table, error) {
	if _, err := w.w.Finish(); err != nil {
		return nil, err
	}
	t, err := table.Open(w.of.fs, w.path, w.schema, w.of.cache)
	if err != nil {
		return nil, err
	}
	w.of.open[t] = w.path
	return t, nil
}

// Key returns the key of a position in a table.
func Key(p packlog.Position) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, p.Pack), p.Offset)
}
