package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"iter"
	"maps"
	"slices"
	"sync"

	"hc/lib/merkle"
	"hc/lib/store/table"
)

// treeGrower writes the nodes of a log that grows: they come in the order of their table, so nothing is sorted, looked up
// or held but the roots.
type treeGrower struct {
	builder *coreBuilder
	roots   *merkle.Roots // nil: to be looked up
	nodes   []merkle.Node // not written yet
	writer  *table.Writer // nil: none is begun
	number  uint64        // of the writer's table
}

// span takes in an append span, if it is where the log ends and all of it can be read; else done is false, and what it did
// take in is right.
func (g *treeGrower) span(span *spanMeta, runs *runList) (done bool, err error) {
	if ok, err := g.at(span.first); !ok || err != nil {
		return false, err
	}
	ahead := readAhead{builder: g.builder, parts: span.parts, runs: runs}
	defer ahead.group.Wait()
	for k, p := range span.parts {
		ahead.from(k)
		for i := range p.count {
			n, ok, err := g.builder.leaf(p, i, runs)
			if err != nil {
				return false, err
			}
			if !ok {
				g.roots = nil
				return false, nil
			}
			g.nodes = append(g.nodes, n)
			g.roots.Append(n, func(n merkle.Node) { g.nodes = append(g.nodes, n) })
		}
		if len(g.nodes) >= g.builder.cp.store.options.tuning.bufferRows {
			if err := g.write(); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// readAhead decodes and hashes the short runs of a span before they are asked for, beside the tree's own hashing.
type readAhead struct {
	builder *coreBuilder
	parts   []spanPart
	runs    *runList
	next    int // part
	group   sync.WaitGroup
}

const runsAhead = 2 // the reader holds a few more

// from begins to read what comes behind a part.
func (a *readAhead) from(part int) {
	a.next = max(a.next, part+1)
	for ; a.next < len(a.parts) && a.next <= part+runsAhead; a.next++ {
		p := a.parts[a.next]
		if p.byLeaf != nil {
			continue
		}
		e := a.runs.find(p.run)
		if e == nil || !e.run.short {
			continue
		}
		a.group.Go(func() {
			run, err := a.builder.cp.store.reader.run(a.builder.cp.ctx, e.at)
			if err == nil { // who asks for it will see an error
				run.hash()
			}
		})
	}
}

// at reports whether the roots of a log of length blocks are known, and takes them.
func (g *treeGrower) at(length uint64) (bool, error) {
	if g.roots != nil && g.roots.Length() == length {
		return true, nil
	}
	if err := g.stop(); err != nil {
		return false, err
	}
	var nodes []merkle.Node
	for _, index := range merkle.FullRoots(length) {
		n, ok, err := g.builder.node(index)
		if !ok || err != nil {
			return false, err
		}
		nodes = append(nodes, n)
	}
	roots, err := merkle.NewRoots(length, nodes)
	if err != nil {
		return false, nil // sizes that cannot be: they are hints
	}
	if err := g.builder.flushLearnt(); err != nil { // it would be older than what comes, and written behind it
		return false, err
	}
	g.roots = roots
	return true, nil
}

// write writes the nodes gathered.
func (g *treeGrower) write() error {
	if len(g.nodes) == 0 {
		return nil
	}
	if g.writer == nil {
		g.number = g.builder.cp.number()
		w, err := g.builder.create(g.number, "tree", treeSchema)
		if err != nil {
			return err
		}
		g.writer = w
	}
	for _, n := range g.nodes {
		if err := addNode(g.writer, n); err != nil {
			return err
		}
	}
	g.nodes = g.nodes[:0]
	return nil
}

func addNode(w *table.Writer, n merkle.Node) error {
	var key [8]byte
	var value [40]byte
	binary.BigEndian.PutUint64(key[:], postOrder(n.Index))
	return w.Add(key[:], appendTreeValue(value[:0], n))
}

// stop ends the table, so that its nodes can be looked up.
func (g *treeGrower) stop() error {
	g.roots = nil
	if err := g.write(); err != nil {
		return err
	}
	if g.writer == nil {
		return nil
	}
	rows, err := g.writer.Finish()
	if err != nil {
		return err
	}
	g.writer = nil
	return g.builder.addTree(g.number, rows)
}

func (g *treeGrower) abort() {
	if g.writer != nil {
		g.writer.Abort()
		g.writer = nil
	}
	g.nodes, g.roots = nil, nil
}

// addTree puts a finished table in front of the core's others.
func (b *coreBuilder) addTree(number, rows uint64) error {
	t, err := b.cp.files.table(b.path("tree")(number), treeSchema)
	if err != nil {
		return err
	}
	b.file.tree = pushTable(b.file.tree, tableRef{level: b.cp.store.options.tuning.levelOf(rows), number: number, limit: noLimit})
	b.tree = append([]limited{{t, noLimit}}, b.tree...)
	return nil
}

// flushLearnt writes the nodes that were learnt as a table.
func (b *coreBuilder) flushLearnt() error {
	if len(b.learnt) == 0 {
		return nil
	}
	nodes := slices.SortedFunc(maps.Values(b.learnt), func(x, y merkle.Node) int {
		if postOrder(x.Index) < postOrder(y.Index) {
			return -1
		}
		return 1
	})
	number := b.cp.number()
	w, err := b.create(number, "tree", treeSchema)
	if err != nil {
		return err
	}
	defer w.Abort()
	for _, n := range nodes {
		if err := addNode(w, n); err != nil {
			return err
		}
	}
	rows, err := w.Finish()
	if err != nil {
		return err
	}
	clear(b.learnt)
	return b.addTree(number, rows)
}

// flushRows writes the rows gathered as a table.
func (b *coreBuilder) flushRows() error {
	if len(b.rows.rows) == 0 {
		return nil
	}
	number := b.cp.number()
	w, err := b.create(number, "runs", runsSchema)
	if err != nil {
		return err
	}
	defer w.Abort()
	out := rowWriter{w: w}
	for _, r := range b.rows.rows {
		if err := out.add(r); err != nil {
			return err
		}
	}
	if err := out.flush(); err != nil {
		return err
	}
	rows, err := w.Finish()
	if err != nil {
		return err
	}
	b.rows.rows = b.rows.rows[:0]
	b.file.runs = pushTable(b.file.runs, tableRef{level: b.cp.store.options.tuning.levelOf(rows), number: number, limit: noLimit})
	return nil
}

// rowWriter writes rows of runs, joining those that say the same of blocks that follow one another.
type rowWriter struct {
	w    *table.Writer
	last row // count 0: none
}

func (o *rowWriter) add(r row) error {
	if o.last.count > 0 && o.last.end() == r.first && o.last.kind == r.kind && o.last.count+r.count < 1<<31 {
		next := o.last.place
		next.at += uint32(o.last.count)
		if r.kind != rowPlaced || next == r.place {
			o.last.count += r.count
			return nil
		}
	}
	if err := o.flush(); err != nil {
		return err
	}
	o.last = r
	return nil
}

func (o *rowWriter) flush() error {
	if o.last.count == 0 {
		return nil
	}
	var value [8 + placeSize]byte
	err := o.w.Add(blockKey(o.last.first), o.last.appendValue(value[:0]))
	o.last = row{}
	return err
}

// compact merges tables where there are many.
func (b *coreBuilder) compact() error {
	var err error
	tuning := b.cp.store.options.tuning
	b.file.tree, err = compactLevels(b.file.tree, tuning.fanOut, func(refs []tableRef, _ bool) (tableRef, error) {
		tables, err := b.openLimited(refs, "tree", treeSchema)
		if err != nil {
			return tableRef{}, err
		}
		if err := b.makeFolder(); err != nil {
			return tableRef{}, err
		}
		return b.cp.merge(b.path("tree"), treeSchema, func(w *table.Writer) error { return mergeTrees(b.cp.ctx, w, tables) })
	})
	if err != nil {
		return err
	}
	b.file.runs, err = compactLevels(b.file.runs, tuning.fanOut, func(refs []tableRef, oldest bool) (tableRef, error) {
		tables, err := b.openLimited(refs, "runs", runsSchema)
		if err != nil {
			return tableRef{}, err
		}
		return b.cp.merge(b.path("runs"), runsSchema, func(w *table.Writer) error {
			out := rowWriter{w: w}
			if err := mergeRuns(b.cp.ctx, tables, oldest, out.add); err != nil {
				return err
			}
			return out.flush()
		})
	})
	return err
}

func mergeTrees(ctx context.Context, w *table.Writer, tables []limited) error {
	var plain []*table.Table
	for _, t := range tables {
		if last := t.Last(); last != nil && bytes.Compare(last, blockKey(t.limit)) >= 0 {
			return mergeLimited(ctx, w, tables)
		}
		plain = append(plain, t.Table)
	}
	return table.Merge(ctx, w, nil, plain...)
}

func (b *coreBuilder) openLimited(refs []tableRef, what string, schema table.Schema) ([]limited, error) {
	tables, err := b.cp.openAll(refs, b.path(what), schema)
	if err != nil {
		return nil, err
	}
	list := make([]limited, len(refs))
	for i := range refs {
		list[i] = limited{tables[i], refs[i].limit}
	}
	return list, nil
}

// finishRanges brings the ranges of held blocks up to date.
func (b *coreBuilder) finishRanges() error {
	if len(b.added) == 0 && len(b.removed) == 0 {
		return nil
	}
	var inline []blockRange
	var w *table.Writer
	number := uint64(0)
	add := func(r blockRange) error {
		var value [8]byte
		binary.BigEndian.PutUint64(value[:], r.end)
		return w.Add(blockKey(r.first), value[:])
	}
	err := mergeRanges(b.baseRanges(), b.removed, b.added, func(r blockRange) error {
		if w != nil {
			return add(r)
		}
		if inline = append(inline, r); len(inline) <= inlineRanges {
			return nil
		}
		number = b.cp.number()
		var err error
		if w, err = b.create(number, "ranges", rangesSchema); err != nil {
			return err
		}
		for _, r := range inline {
			if err := add(r); err != nil {
				return err
			}
		}
		inline = nil
		return nil
	})
	if w != nil {
		defer w.Abort()
		if err == nil {
			_, err = w.Finish()
		}
	}
	b.file.ranges, b.file.rangesFile = inline, number
	return err
}

func (b *coreBuilder) baseRanges() iter.Seq2[blockRange, error] {
	return func(yield func(blockRange, error) bool) {
		if b.base == nil {
			return
		}
		if b.base.ranges == nil {
			for _, r := range b.base.file.ranges {
				if !yield(r, nil) {
					return
				}
			}
			return
		}
		for row, err := range b.base.ranges.Scan(b.cp.ctx, nil) {
			if err != nil {
				yield(blockRange{}, err)
				return
			}
			if !yield(blockRange{binary.BigEndian.Uint64(row.Key), binary.BigEndian.Uint64(row.Value)}, nil) {
				return
			}
		}
	}
}

// mergeRanges calls emit for the ranges of base without removed, and with added: ascending, and joined where they touch.
func mergeRanges(base iter.Seq2[blockRange, error], removed, added []blockRange, emit func(blockRange) error) error {
	var last blockRange // not emitted yet; empty: none
	put := func(r blockRange) error {
		if last.first < last.end && r.first <= last.end {
			last.end = max(last.end, r.end)
			return nil
		}
		old := last
		last = r
		if old.first < old.end {
			return emit(old)
		}
		return nil
	}
	putAdded := func(before uint64) error {
		for len(added) > 0 && added[0].first <= before {
			if err := put(added[0]); err != nil {
				return err
			}
			added = added[1:]
		}
		return nil
	}
	for r, err := range base {
		if err != nil {
			return err
		}
		for r.first < r.end {
			for len(removed) > 0 && removed[0].end <= r.first {
				removed = removed[1:]
			}
			piece := r
			if len(removed) > 0 && removed[0].first < r.end {
				piece.end = max(r.first, removed[0].first)
				r.first = min(r.end, removed[0].end)
			} else {
				r.first = r.end
			}
			if piece.first < piece.end {
				if err := putAdded(piece.first); err != nil {
					return err
				}
				if err := put(piece); err != nil {
					return err
				}
			}
		}
	}
	if err := putAdded(noLimit); err != nil {
		return err
	}
	if last.first < last.end {
		return emit(last)
	}
	return nil
}
