package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"hc/lib/hash"
	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/records"
	"hc/lib/store/runs"
	"hc/lib/store/table"
)

// indexRow says where a block is. Many are gathered, so it has no padding.
type indexRow struct {
	leaf  hash.Digest
	place [blockmap.PlaceSize]byte // as encoded in a table
	delta bool                     // the block is stored with a base
}

func newIndexRow(leaf hash.Digest, at runs.Place, delta bool) indexRow {
	r := indexRow{leaf: leaf, delta: delta}
	blockmap.AppendPlace(r.place[:0], at)
	return r
}

// compare orders rows by their leaf hashes; those of one hash in the log's order, deltas first.
func (r indexRow) compare(s indexRow) int {
	a, b := binary.BigEndian.Uint64(r.leaf[:]), binary.BigEndian.Uint64(s.leaf[:])
	if a != b {
		return cmp.Compare(a, b)
	}
	if c := bytes.Compare(r.leaf[:], s.leaf[:]); c != 0 {
		return c
	}
	if r.delta != s.delta {
		if r.delta {
			return -1
		}
		return 1
	}
	return bytes.Compare(r.place[:], s.place[:]) // by pack (each with a single id here), offset, and number in the run
}

// Limits are sizes. Zero means a default.
type Limits struct {
	BufferRows int // gathered before they become a table
	TreeRows   int // the same for rows of a core's tree that do not come in order: a look-up searches every table
	AllBlocks  int // of all cores, taken in before the rows held become tables
	FanOut     int // tables of the lowest level before they are merged
	Upper      int // and of the levels above
}

// WithDefaults returns limits with defaults in place of zero fields.
func (t Limits) WithDefaults() Limits {
	if t.BufferRows == 0 {
		t.BufferRows = 64 << 10
	}
	if t.TreeRows == 0 {
		t.TreeRows = t.BufferRows
	}
	if t.AllBlocks == 0 {
		t.AllBlocks = 8 * t.BufferRows
	}
	if t.Upper == 0 && t.FanOut == 0 {
		t.Upper = 8 // a row of a store of ten million is merged twice in its life; with 4, three times, and there are about as many tables
	}
	if t.FanOut == 0 {
		t.FanOut = 4 // a new block is looked up in every table
	}
	if t.Upper == 0 {
		t.Upper = t.FanOut
	}
	return t
}

// levelOf returns the level of a table with so many rows.
func (t Limits) levelOf(rows uint64) uint64 {
	level := uint64(0)
	for rows >= uint64(t.BufferRows)*uint64(t.fanOutOf(level)) {
		rows /= uint64(t.fanOutOf(level))
		level++
	}
	return level
}

// fanOutOf returns how many tables of a level are merged.
func (t Limits) fanOutOf(level uint64) int {
	if level == 0 {
		return t.FanOut
	}
	return t.Upper
}

// pushTable puts a new table in front of the others, which are older. Smaller ones right after it count as being of its
// level from now on, so that levels rise from the newest to the oldest.
func pushTable(refs []derived.TableRef, ref derived.TableRef) []derived.TableRef {
	refs = append([]derived.TableRef{ref}, refs...)
	for i := 1; i < len(refs) && refs[i].Level < ref.Level; i++ {
		refs[i].Level = ref.Level
	}
	return refs
}

// compactLevels merges the oldest tables of a level into one of the next, as long as a level has as many as its
// fan-out. merge gets them newest first, and whether nothing is older.
func compactLevels(refs []derived.TableRef, t Limits, merge func(tables []derived.TableRef, oldest bool) (derived.TableRef, error)) ([]derived.TableRef, error) {
	for {
		from, to := -1, 0 // of the lowest level that has too many
		for i := 0; i < len(refs); i = to {
			to = i
			for to < len(refs) && refs[to].Level == refs[i].Level {
				to++
			}
			if fanOut := t.fanOutOf(refs[i].Level); to-i >= fanOut {
				from = to - fanOut
				break
			}
		}
		if from < 0 {
			return refs, nil
		}
		level := refs[from].Level + 1
		merged, err := merge(refs[from:to], to == len(refs))
		if err != nil {
			return nil, err
		}
		merged.Level = max(merged.Level, level)
		refs = slices.Concat(refs[:from], []derived.TableRef{merged}, refs[to:])
		for i := range refs[:from] { // they are newer; levels never fall
			refs[i].Level = min(refs[i].Level, merged.Level)
		}
		for i := from + 1; i < len(refs) && refs[i].Level < merged.Level; i++ {
			refs[i].Level = merged.Level
		}
	}
}

// addRun adds the blocks of a run to the index.
func (cp *Writer) addRun(e *records.Entry) error {
	if _, ok := cp.packs[e.At.Pack]; !ok {
		cp.packs[e.At.Pack] = e.At
	}
	if e.Run.Short {
		return nil
	}
	cp.growIndex(len(e.Run.Leaves))
	for i, leaf := range e.Run.Leaves {
		cp.index = append(cp.index, newIndexRow(leaf, runs.Place{Run: e.At, At: uint32(i)}, e.Run.Codec == records.CodecDelta))
	}
	if len(cp.index) >= cp.limits.BufferRows {
		return cp.flushIndex()
	}
	return nil
}

// growIndex makes room for more rows: for twice as many, or for as many as are ever gathered.
func (cp *Writer) growIndex(more int) {
	n := len(cp.index) + more
	if n <= cap(cp.index) {
		return
	}
	room := max(n, min(2*n, cp.limits.BufferRows+more))
	cp.index = slices.Grow(cp.index, room-len(cp.index))
}

// flushIndex writes the gathered rows as a table. Of several with one leaf hash the last is taken, and a delta only if
// nothing else is known of the block, so that possible bases are found.
func (cp *Writer) flushIndex() error {
	if len(cp.index) == 0 {
		return nil
	}
	sortIndex(cp.index)
	older, err := cp.openAll(cp.tables, cp.files.IndexPath, derived.IndexSchema)
	if err != nil {
		return err
	}
	before := derived.Index(older)
	number := cp.number()
	w, err := cp.create(cp.files.IndexPath(number), derived.IndexSchema, uint64(len(cp.index)))
	if err != nil {
		return err
	}
	defer w.Abort()
	for i := range cp.index {
		if i+1 < len(cp.index) && cp.index[i+1].leaf == cp.index[i].leaf {
			continue
		}
		if cp.index[i].delta {
			known, err := before.HasPlace(cp.ctx, cp.index[i].leaf, cp.source.Log.Current)
			if err != nil {
				return err
			}
			if known {
				continue
			}
		}
		if err := w.Add(cp.index[i].leaf[:], cp.index[i].place[:]); err != nil {
			return err
		}
	}
	rows, err := w.Finish()
	if err != nil {
		return err
	}
	cp.index, cp.recent, cp.mapped = cp.index[:0], nil, 0
	cp.tables = pushTable(cp.tables, derived.TableRef{Level: cp.limits.levelOf(rows), Number: number, Rows: rows, Limit: blockmap.NoLimit})
	if cp.sparse {
		return cp.compactIndex()
	}
	return nil
}

func (cp *Writer) finishIndex() error {
	if err := cp.flushIndex(); err != nil {
		return err
	}
	return cp.compactIndex()
}

// compactIndex merges tables if there are many.
func (cp *Writer) compactIndex() error {
	var err error
	cp.tables, err = compactLevels(cp.tables, cp.limits, func(refs []derived.TableRef, _ bool) (derived.TableRef, error) {
		tables, err := cp.openAll(refs, cp.files.IndexPath, derived.IndexSchema)
		if err != nil {
			return derived.TableRef{}, err
		}
		rows := uint64(0)
		for _, ref := range refs {
			rows += ref.Rows
		}
		defer cp.letGo(refs, cp.files.IndexPath)
		return cp.merge(cp.files.IndexPath, derived.IndexSchema, rows, func(w *table.Writer) error {
			return table.Merge(cp.ctx, w, nil, tables...)
		})
	})
	return err
}

// letGo closes merged tables in a check, which makes many. Their files are removed with those that nothing names.
func (cp *Writer) letGo(refs []derived.TableRef, path func(uint64) string) {
	for _, ref := range refs {
		if cp.sparse {
			cp.files.Discard(path(ref.Number))
		}
	}
}

func (cp *Writer) openAll(refs []derived.TableRef, path func(uint64) string, schema table.Schema) ([]*table.Table, error) {
	var tables []*table.Table
	for _, ref := range refs {
		t, err := cp.files.Table(path(ref.Number), schema)
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// merge writes a table with what fill adds to it. filtered is as in create.
func (cp *Writer) merge(path func(uint64) string, schema table.Schema, filtered uint64, fill func(*table.Writer) error) (derived.TableRef, error) {
	number := cp.number()
	w, err := cp.create(path(number), schema, filtered)
	if err != nil {
		return derived.TableRef{}, err
	}
	defer w.Abort()
	if err := fill(w); err != nil {
		return derived.TableRef{}, err
	}
	rows, err := w.Finish()
	return derived.TableRef{Level: cp.limits.levelOf(rows), Number: number, Rows: rows, Limit: blockmap.NoLimit}, err
}
