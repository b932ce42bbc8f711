package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"hc/lib/store/packlog"
)

// A Table is a finished table, open for reading. It is safe for concurrent use, except for Close.
type Table struct {
	path   string
	file   packlog.File
	schema Schema
	header header
	cache  *Cache
	number uint64 // in the cache

	filter filterState
}

// Open opens the table in the file at path and reads its header. If the file is not a finished table of that schema,
// the error wraps ErrDamaged; if it does not exist, fs.ErrNotExist. Data pages are not read.
func Open(fsys packlog.FS, path string, schema Schema, cache *Cache) (*Table, error) {
	if err := schema.check(); err != nil {
		return nil, fmt.Errorf("opening table %s: %w", path, err)
	}
	file, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("opening table %s: %w", path, err)
	}
	h, err := readHeader(file, schema)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("opening table %s: %w", path, err)
	}
	return &Table{path: path, file: file, schema: schema, header: h, cache: cache, number: cache.tables.Add(1)}, nil
}

func readHeader(file packlog.File, schema Schema) (header, error) {
	size, err := file.Size()
	if err != nil {
		return header{}, err
	}
	raw := make([]byte, pageSize)
	if err := readFull(file, raw, 0); err != nil {
		return header{}, err
	}
	return decodeHeader(schema, raw, size)
}

// readFull reads len(p) bytes; if the file ends before that, the error says so.
func readFull(file packlog.File, p []byte, at int64) error {
	n, err := file.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: file ends at byte %d", ErrDamaged, at+int64(n))
	}
	return err
}

// Rows returns the number of rows.
func (t *Table) Rows() uint64 { return t.header.rows }

// Size returns the size of the file in bytes.
func (t *Table) Size() int64 { return t.header.at(1 + t.header.pages) }

// First returns the lowest key, nil if there are no rows. The caller must not change it.
func (t *Table) First() []byte { return t.header.first }

// Last returns the highest key, nil if there are no rows. The caller must not change it.
func (t *Table) Last() []byte { return t.header.last }

// Close closes the file and drops the cached pages. Nobody may be reading.
func (t *Table) Close() error {
	t.Retire()
	for i := range t.cache.shards {
		t.cache.shards[i].drop(t.number)
	}
	return t.file.Close()
}

// Get returns the value of the row with that key, and whether there is one. The value is the caller's.
func (t *Table) Get(ctx context.Context, key []byte) (value []byte, ok bool, err error) {
	if err := t.schema.checkKey(key); err != nil {
		return nil, false, t.failed(err)
	}
	if t.outside(key) {
		return nil, false, nil
	}
	if may, err := t.mayHave(ctx, key); !may || err != nil {
		return nil, false, t.failed(err)
	}
	f, p, err := t.find(ctx, key)
	if err != nil {
		return nil, false, t.failed(err)
	}
	defer f.release()
	row, equal := p.search(key)
	if !equal {
		return nil, false, nil
	}
	return bytes.Clone(p.value(row)), true, nil
}

// Floor returns the row with the highest key that is not above key, and whether there is one. Both slices are the caller's.
func (t *Table) Floor(ctx context.Context, key []byte) (floor, value []byte, ok bool, err error) {
	if err := t.schema.checkKey(key); err != nil {
		return nil, nil, false, t.failed(err)
	}
	if t.header.rows == 0 || bytes.Compare(key, t.header.first) < 0 {
		return nil, nil, false, nil
	}
	if bytes.Compare(key, t.header.last) > 0 {
		key = t.header.last
	}
	f, p, err := t.find(ctx, key)
	if err != nil {
		return nil, nil, false, t.failed(err)
	}
	defer f.release()
	row, equal := p.search(key)
	if !equal {
		row-- // there is one: the page begins at or below key
	}
	return p.appendKey(nil, row), bytes.Clone(p.value(row)), true, nil
}

// failed adds the table's path to an error.
func (t *Table) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("table %s: %w", t.path, err)
}
