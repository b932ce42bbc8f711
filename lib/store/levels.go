package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"hc/lib/hash"
	"hc/lib/store/blockmap"
	"hc/lib/store/records"
	"hc/lib/store/table"
)

// indexRow is where a block is. Many are gathered, so it has no padding.
type indexRow struct {
	leaf  hash.Digest
	place [blockmap.PlaceSize]byte // as a table has it
	delta bool                     // the block is stored with a base
}

func newIndexRow(leaf hash.Digest, at place, delta bool) indexRow {
	r := indexRow{leaf: leaf, delta: delta}
	blockmap.AppendPlace(r.place[:0], at)
	return r
}

// compare orders rows by their leaf hashes; those of one hash as they stand in the log, deltas first.
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
	return bytes.Compare(r.place[:], s.place[:]) // by pack, which has one id here, offset, and number in the run
}

// levelOf returns the level of a table with so many rows.
func (t tuning) levelOf(rows uint64) uint64 {
	level := uint64(0)
	for rows >= uint64(t.bufferRows)*uint64(t.fanOutOf(level)) {
		rows /= uint64(t.fanOutOf(level))
		level++
	}
	return level
}

// fanOutOf returns how many tables of a level are merged.
func (t tuning) fanOutOf(level uint64) int {
	if level == 0 {
		return t.fanOut
	}
	return t.upper
}

// pushTable puts a new table in front of the others, which it is newer than. Smaller ones right behind it count as of its
// level from now on, so that levels rise from the newest to the oldest.
func pushTable(refs []tableRef, ref tableRef) []tableRef {
	refs = append([]tableRef{ref}, refs...)
	for i := 1; i < len(refs) && refs[i].level < ref.level; i++ {
		refs[i].level = ref.level
	}
	return refs
}

// compactLevels merges the oldest tables of a level into one of the next, as long as a level has as many as its fan-out. merge gets
// them newest first, and whether nothing is older.
func compactLevels(refs []tableRef, t tuning, merge func(tables []tableRef, oldest bool) (tableRef, error)) ([]tableRef, error) {
	for {
		from, to := -1, 0 // of the lowest level that has too many
		for i := 0; i < len(refs); i = to {
			to = i
			for to < len(refs) && refs[to].level == refs[i].level {
				to++
			}
			if fanOut := t.fanOutOf(refs[i].level); to-i >= fanOut {
				from = to - fanOut
				break
			}
		}
		if from < 0 {
			return refs, nil
		}
		level := refs[from].level + 1
		merged, err := merge(refs[from:to], to == len(refs))
		if err != nil {
			return nil, err
		}
		merged.level = max(merged.level, level)
		refs = slices.Concat(refs[:from], []tableRef{merged}, refs[to:])
		for i := range refs[:from] { // they are newer; levels never fall
			refs[i].level = min(refs[i].level, merged.level)
		}
		for i := from + 1; i < len(refs) && refs[i].level < merged.level; i++ {
			refs[i].level = merged.level
		}
	}
}

// addRun takes the blocks of a run into the index.
func (cp *checkpoint) addRun(e *records.Entry) error {
	if _, ok := cp.packs[e.At.Pack]; !ok {
		cp.packs[e.At.Pack] = e.At
	}
	if e.Run.Short {
		return nil
	}
	cp.growIndex(len(e.Run.Leaves))
	for i, leaf := range e.Run.Leaves {
		cp.index = append(cp.index, newIndexRow(leaf, place{Run: e.At, At: uint32(i)}, e.Run.Codec == records.CodecDelta))
	}
	if len(cp.index) >= cp.store.options.tuning.bufferRows {
		return cp.flushIndex()
	}
	return nil
}

// growIndex makes room for more rows: for twice as many, or for as many as are gathered at all.
func (cp *checkpoint) growIndex(more int) {
	n := len(cp.index) + more
	if n <= cap(cp.index) {
		return
	}
	room := max(n, min(2*n, cp.store.options.tuning.bufferRows+more))
	cp.index = slices.Grow(cp.index, room-len(cp.index))
}

// flushIndex writes the rows gathered as a table. Of several with one leaf hash the last is taken, and a delta only if nothing else is
// known of the block: what may be a base is found.
func (cp *checkpoint) flushIndex() error {
	if len(cp.index) == 0 {
		return nil
	}
	sortIndex(cp.index)
	older, err := cp.openAll(cp.tables, cp.files.indexPath, indexSchema)
	if err != nil {
		return err
	}
	before := derived{index: older}
	number := cp.number()
	w, err := cp.create(cp.files.indexPath(number), indexSchema, uint64(len(cp.index)))
	if err != nil {
		return err
	}
	defer w.Abort()
	for i := range cp.index {
		if i+1 < len(cp.index) && cp.index[i+1].leaf == cp.index[i].leaf {
			continue
		}
		if cp.index[i].delta {
			known, err := before.hasPlace(cp.ctx, cp.index[i].leaf, cp.store.log.Current)
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
	cp.tables = pushTable(cp.tables, tableRef{level: cp.store.options.tuning.levelOf(rows), number: number, rows: rows, limit: blockmap.NoLimit})
	if cp.sparse {
		return cp.compactIndex()
	}
	return nil
}

func (cp *checkpoint) finishIndex() error {
	if err := cp.flushIndex(); err != nil {
		return err
	}
	return cp.compactIndex()
}

// compactIndex merges tables where there are many.
func (cp *checkpoint) compactIndex() error {
	var err error
	cp.tables, err = compactLevels(cp.tables, cp.store.options.tuning, func(refs []tableRef, _ bool) (tableRef, error) {
		tables, err := cp.openAll(refs, cp.files.indexPath, indexSchema)
		if err != nil {
			return tableRef{}, err
		}
		rows := uint64(0)
		for _, ref := range refs {
			rows += ref.rows
		}
		defer cp.letGo(refs, cp.files.indexPath)
		return cp.merge(cp.files.indexPath, indexSchema, rows, func(w *table.Writer) error {
			return table.Merge(cp.ctx, w, nil, tables...)
		})
	})
	return err
}

// letGo does not hold tables open any more that were merged by a check, which makes many. Their files go with those that nothing names.
func (cp *checkpoint) letGo(refs []tableRef, path func(uint64) string) {
	for _, ref := range refs {
		if cp.sparse {
			cp.files.discard(path(ref.number))
		}
	}
}

func (cp *checkpoint) openAll(refs []tableRef, path func(uint64) string, schema table.Schema) ([]*table.Table, error) {
	var tables []*table.Table
	for _, ref := range refs {
		t, err := cp.files.table(path(ref.number), schema)
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// merge writes a table with what fill adds to it. filtered is as for create.
func (cp *checkpoint) merge(path func(uint64) string, schema table.Schema, filtered uint64, fill func(*table.Writer) error) (tableRef, error) {
	number := cp.number()
	w, err := cp.create(path(number), schema, filtered)
	if err != nil {
		return tableRef{}, err
	}
	defer w.Abort()
	if err := fill(w); err != nil {
		return tableRef{}, err
	}
	rows, err := w.Finish()
	return tableRef{level: cp.store.options.tuning.levelOf(rows), number: number, rows: rows, limit: blockmap.NoLimit}, err
}

// mergeLimited merges tables of which rows at or behind their limits do not count.
func mergeLimited(ctx context.Context, w *table.Writer, tables []limited) error {
	type head struct {
		next func() (table.Row, error, bool)
		row  table.Row
	}
	var heads []*head
	for _, t := range tables {
		next, stop := iter.Pull2(limitedRows(ctx, t))
		defer stop()
		h := &head{next: next}
		row, err, ok := next()
		if err != nil {
			return err
		}
		if ok {
			h.row = row
			heads = append(heads, h)
		}
	}
	var key []byte
	for len(heads) > 0 {
		lowest := heads[0]
		for _, h := range heads[1:] {
			if bytes.Compare(h.row.Key, lowest.row.Key) < 0 {
				lowest = h
			}
		}
		key = append(key[:0], lowest.row.Key...)
		if err := w.Add(key, lowest.row.Value); err != nil {
			return err
		}
		left := heads[:0]
		for _, h := range heads {
			if bytes.Equal(h.row.Key, key) {
				row, err, ok := h.next()
				if err != nil {
					return err
				}
				if !ok {
					continue
				}
				h.row = row
			}
			left = append(left, h)
		}
		heads = left
	}
	return nil
}

// limitedRows gives the rows of a table below its limit.
func limitedRows(ctx context.Context, t limited) iter.Seq2[table.Row, error] {
	limit := blockmap.Key(t.limit)
	return func(yield func(table.Row, error) bool) {
		for row, err := range t.Scan(ctx, nil) {
			if err == nil && bytes.Compare(row.Key, limit) >= 0 {
				return
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// runRows gives the rows of a runs table, cut off at its limit.
func runRows(ctx context.Context, t limited) iter.Seq2[blockmap.Row, error] {
	return func(yield func(blockmap.Row, error) bool) {
		for r, err := range limitedRows(ctx, t) {
			if err != nil {
				yield(blockmap.Row{}, err)
				return
			}
			decoded, ok := blockmap.DecodeRow(r.Key, r.Value)
			if !ok {
				yield(blockmap.Row{}, fmt.Errorf("%w: a row of runs at %x", errDerived, r.Key))
				return
			}
			if !yield(decoded.Part(decoded.First, t.limit), nil) {
				return
			}
		}
	}
}

// mergeRuns merges tables of runs, newest first: of each block what the newest says. Rows of blocks that are not held are
// left out if nothing is older.
func mergeRuns(ctx context.Context, tables []limited, oldest bool, emit func(blockmap.Row) error) error {
	type head struct {
		next func() (blockmap.Row, error, bool)
		row  blockmap.Row
	}
	advance := func(h *head) (bool, error) {
		r, err, ok := h.next()
		h.row = r
		return ok, err
	}
	var heads []*head // newest first, each on what is left of its row
	for _, t := range tables {
		next, stop := iter.Pull2(runRows(ctx, t))
		defer stop()
		h := &head{next: next}
		ok, err := advance(h)
		if err != nil {
			return err
		}
		if ok {
			heads = append(heads, h)
		}
	}
	for len(heads) > 0 {
		first := heads[0]
		end := uint64(blockmap.NoLimit)
		for _, h := range heads[1:] {
			if h.row.First < first.row.First {
				first = h
			}
		}
		end = first.row.End()
		for _, h := range heads { // a newer one takes over where it begins
			if h == first {
				break
			}
			end = min(end, h.row.First)
		}
		piece := first.row.Part(first.row.First, end)
		if piece.Held() || !oldest {
			if err := emit(piece); err != nil {
				return err
			}
		}
		left := heads[:0]
		for _, h := range heads {
			ok := true
			for ok && h.row.End() <= end {
				var err error
				if ok, err = advance(h); err != nil {
					return err
				}
			}
			if !ok {
				continue
			}
			if h.row.First < end {
				h.row = h.row.Part(end, h.row.End())
			}
			left = append(left, h)
		}
		heads = left
	}
	return nil
}
