package table

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"hc/lib/store/packlog"
)

const writeBuffer = 64 * pageSize // bytes to gather before they are written

// A Writer writes a table, row by row. It is not for concurrent use. It ends with Finish or Abort; after an error of
// Add or Finish the file is gone, or has no header that Open accepts.
type Writer struct {
	fs     packlog.FS
	path   string
	file   packlog.File
	schema Schema
	header header
	err    error // the first one; kept

	rows         []byte // the next page, if no page can be dense: rows as encoded in it
	keys, values []byte // else its keys and values; no keys if it is dense
	count        int    // how many
	dense        bool   // their keys follow one another
	follows      uint64 // if dense: the key that would continue it
	last         []byte // last key added

	filter  *filterWriter // nil: none
	pages   []byte        // encoded pages that are not written yet
	other   []byte        // such pages that have been, or are being, written
	writing chan error    // receives the result of writing other; nil: it is not being written
	done    bool
}

// Create begins a table in a new file at path; if the file exists already, the error wraps fs.ErrExist.
func Create(fsys packlog.FS, path string, schema Schema) (*Writer, error) {
	return CreateFiltered(fsys, path, schema, 0)
}

// CreateFiltered is Create for a table of about that many rows whose keys are hashes: it gets a filter, which
// recognizes most keys that are not there with one small read. With many more rows it recognizes fewer. 0 rows: no
// filter.
func CreateFiltered(fsys packlog.FS, path string, schema Schema, rows uint64) (*Writer, error) {
	if rows > 0 && schema.KeySize < filterKey {
		return nil, fmt.Errorf("creating table %s: %w: a filter takes keys of at least %d bytes", path, ErrSize, filterKey)
	}
	if err := schema.check(); err != nil {
		return nil, fmt.Errorf("creating table %s: %w", path, err)
	}
	file, err := fsys.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating table %s: %w", path, err)
	}
	w := &Writer{
		fs: fsys, path: path, file: file, schema: schema,
		last: make([]byte, 0, schema.KeySize),
	}
	if most := max(schema.sparseRows(), schema.denseRows()); schema.denseRows() > 0 {
		w.keys, w.values = make([]byte, 0, most*schema.KeySize), make([]byte, 0, most*schema.ValueSize)
	} else {
		w.rows = make([]byte, 0, most*(schema.KeySize+schema.ValueSize))
	}
	rand.Read(w.header.id[:]) // never fails
	if rows > 0 {
		w.filter = newFilterWriter(file, &w.header, rows)
	}
	return w, nil
}

// Add writes a row, which is copied. Its key must be above that of the row before (ErrOrder), both of the schema's size (ErrSize).
func (w *Writer) Add(key, value []byte) error {
	if w.err != nil {
		return w.err
	}
	if err := w.add(key, value); err != nil {
		w.fail(fmt.Errorf("writing table %s: %w", w.path, err))
	}
	return w.err
}

func (w *Writer) add(key, value []byte) error {
	if err := w.schema.checkKey(key); err != nil {
		return err
	}
	if len(value) != w.schema.ValueSize {
		return fmt.Errorf("%w: value has %d bytes, the table's have %d", ErrSize, len(value), w.schema.ValueSize)
	}
	if w.header.rows > 0 && bytes.Compare(w.last, key) >= 0 {
		return fmt.Errorf("%w: %x after %x", ErrOrder, key, w.last)
	}
	if err := w.makeRoom(key); err != nil {
		return err
	}
	if w.filter != nil {
		if err := w.filter.add(key); err != nil {
			return err
		}
	}
	switch {
	case w.rows != nil:
		w.rows = append(append(w.rows, key...), value...)
	case w.dense:
		w.values = append(w.values, value...)
	default:
		w.keys, w.values = append(w.keys, key...), append(w.values, value...)
	}
	w.count++
	if w.header.rows == 0 {
		w.header.first = bytes.Clone(key)
	}
	w.header.rows++
	w.last = append(w.last[:0], key...)
	return nil
}

// addStored is Add for an encoded row of another table with this schema, in which no page is dense.
func (w *Writer) addStored(row []byte) error {
	if w.err != nil {
		return w.err
	}
	key := row[:w.schema.KeySize]
	follows := w.header.rows > 0 && (prefix(w.last) < prefix(key) || bytes.Compare(w.last, key) < 0)
	if !follows || w.count == w.schema.sparseRows() {
		return w.Add(key, row[len(key):])
	}
	if w.filter != nil {
		if err := w.filter.add(key); err != nil {
			w.fail(fmt.Errorf("writing table %s: %w", w.path, err))
			return w.err
		}
	}
	w.rows = append(w.rows, row...)
	w.count++
	w.header.rows++
	w.last = append(w.last[:0], key...)
	return nil
}

// makeRoom ends the next page if the row with that key does not fit into it, and keeps track of whether its keys are
// consecutive.
func (w *Writer) makeRoom(key []byte) error {
	integers := w.schema.denseRows() > 0
	follows := integers && w.count > 0 && w.dense && binary.BigEndian.Uint64(key) == w.follows
	full := w.schema.sparseRows()
	if follows {
		full = w.schema.denseRows()
	}
	if w.count >= full {
		if err := w.endPage(); err != nil {
			return err
		}
	}
	switch {
	case w.count == 0:
		w.dense = integers
	case w.dense && !follows:
		w.spell()
	}
	if w.dense {
		w.follows = binary.BigEndian.Uint64(key) + 1 // wraps to 0 at the highest key, which no later key can be
	}
	return nil
}

// first returns the first key of a dense next page.
func (w *Writer) first() uint64 { return w.follows - uint64(w.count) }

// spell makes a dense next page a sparse one.
func (w *Writer) spell() {
	w.dense = false
	for i := range uint64(w.count) {
		w.keys = binary.BigEndian.AppendUint64(w.keys, w.first()+i)
	}
}

// AddFollowing writes rows whose keys are consecutive integers, from first on: it is Add for each of them, in less than
// half the time. values are those of all rows, one after another.
func (w *Writer) AddFollowing(first uint64, values []byte) error {
	if w.err != nil {
		return w.err
	}
	if err := w.addFollowing(first, values); err != nil {
		w.fail(fmt.Errorf("writing table %s: %w", w.path, err))
	}
	return w.err
}

func (w *Writer) addFollowing(first uint64, values []byte) error {
	size := w.schema.ValueSize
	rows := uint64(len(values) / size)
	switch {
	case w.schema.KeySize != 8 || len(values)%size != 0:
		return fmt.Errorf("%w: %d bytes are not values of rows with integer keys", ErrSize, len(values))
	case rows > 0 && first+rows-1 < first:
		return fmt.Errorf("%w: %d rows from %d on", ErrOrder, rows, first)
	}
	var key [8]byte
	for most := w.schema.denseRows(); len(values) > 0; {
		n := 1
		if w.dense && w.count > 0 && w.follows == first && w.count < most {
			n = min(most-w.count, len(values)/size)
			w.values = append(w.values, values[:n*size]...)
			w.count += n
			w.header.rows += uint64(n)
			w.follows += uint64(n)
			w.last = binary.BigEndian.AppendUint64(w.last[:0], w.follows-1)
		} else {
			binary.BigEndian.PutUint64(key[:], first)
			if err := w.add(key[:], values[:size]); err != nil {
				return err
			}
		}
		first, values = first+uint64(n), values[n*size:]
	}
	return nil
}

// endPage encodes the gathered rows as a page.
func (w *Writer) endPage() error {
	if len(w.pages) == writeBuffer {
		if err := w.beginWrite(); err != nil {
			return err
		}
	}
	at := len(w.pages)
	w.pages = slices.Grow(w.pages, pageSize)[:at+pageSize] // most tables are small
	raw := w.pages[at:]
	switch {
	case w.rows != nil:
		encodeRows(w.schema, raw, w.rows)
	case w.dense:
		encodeDense(w.schema, raw, w.first(), w.values)
	default:
		encodeSparse(w.schema, raw, w.keys, w.values)
	}
	w.header.pages++
	seal(raw, w.header.id, w.header.pages)
	w.rows, w.keys, w.values, w.count = w.rows[:0], w.keys[:0], w.values[:0], 0
	return nil
}

// beginWrite writes the gathered pages, while others are gathered.
func (w *Writer) beginWrite() error {
	if err := w.endWrite(); err != nil {
		return err
	}
	if w.other == nil {
		w.other = make([]byte, 0, writeBuffer)
	}
	pages, at, written := w.pages, w.offset(), make(chan error, 1)
	w.pages, w.other, w.writing = w.other[:0], pages, written
	go func() {
		_, err := w.file.WriteAt(pages, at)
		written <- err
	}()
	return nil
}

// offset returns where the gathered pages belong.
func (w *Writer) offset() int64 { return w.header.at(1+w.header.pages) - int64(len(w.pages)) }

// endWrite waits for the write begun by beginWrite.
func (w *Writer) endWrite() error {
	if w.writing == nil {
		return nil
	}
	err := <-w.writing
	w.writing = nil
	return err
}

// Finish writes the rest, the header last, syncs the file and closes it. It returns the number of rows. The caller must
// sync the folder. After an error the file is removed.
func (w *Writer) Finish() (rows uint64, err error) {
	if w.err != nil {
		return 0, w.err
	}
	if err := w.finish(); err != nil {
		w.fail(fmt.Errorf("writing table %s: %w", w.path, err))
		return 0, w.err
	}
	w.err = errFinished
	return w.header.rows, nil
}

var errFinished = errors.New("table is finished")

func (w *Writer) finish() error {
	if w.count > 0 {
		if err := w.endPage(); err != nil {
			return err
		}
	}
	if err := w.endWrite(); err != nil {
		return err
	}
	if _, err := w.file.WriteAt(w.pages, w.offset()); err != nil {
		return err
	}
	if w.filter != nil {
		if err := w.filter.finish(); err != nil {
			return err
		}
	}
	w.header.last = w.last
	if _, err := w.file.WriteAt(encodeHeader(w.schema, w.header), 0); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	return w.close()
}

func (w *Writer) close() error {
	w.done = true
	return w.file.Close()
}

// Abort removes the file. After Finish it does nothing.
func (w *Writer) Abort() {
	if w.err == nil {
		w.fail(errors.New("table was aborted"))
	}
}

// fail keeps the first error and removes the file; a file that cannot be removed has no header, and is no table.
func (w *Writer) fail(err error) {
	w.err = err
	_ = w.endWrite()
	if !w.done {
		_ = w.close()
	}
	_ = w.fs.Remove(w.path)
}
