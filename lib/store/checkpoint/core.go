package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
	"hc/lib/store/smallfile"
	"hc/lib/store/table"
	"hc/lib/store/treetable"
)

// coreBuilder makes the derived files of one core in a checkpoint: its tree, runs and ranges, and the file that names
// them. New rows are written to tables as they come; look-ups use these and the earlier tables.
type coreBuilder struct {
	cp      *Writer
	file    derived.CoreFile // the file to be written
	base    *derived.Core
	dropped bool
	number  uint64 // of the core's file, after finish

	tree   []derived.Limited // the tables of file.tree, open
	grow   treeGrower
	learnt treetable.Set // nodes that are not in tables yet

	rows    blockmap.Rows // not in tables yet
	added   []blockmap.Range
	removed []blockmap.Range
}

func newCoreBuilder(cp *Writer, key keys.Key, base *derived.Core) *coreBuilder {
	b := &coreBuilder{cp: cp, file: derived.CoreFile{Key: key}, base: base, learnt: treetable.NewSet()}
	if base != nil {
		b.file = *base.File
		b.file.Tree = append([]derived.TableRef(nil), base.File.Tree...)
		b.file.Runs = append([]derived.TableRef(nil), base.File.Runs...)
		b.tree = append([]derived.Limited(nil), base.Tree...)
	}
	b.grow.builder = b
	return b
}

func (b *coreBuilder) path(what string) func(uint64) string {
	return func(number uint64) string { return b.cp.files.CorePath(b.file.Key, number, what) }
}

// create begins a table, in the core's folder.
func (b *coreBuilder) create(number uint64, what string, schema table.Schema) (*table.Writer, error) {
	if err := b.makeFolder(); err != nil {
		return nil, err
	}
	return b.cp.create(b.path(what)(number), schema, 0)
}

func (b *coreBuilder) makeFolder() error {
	return smallfile.MakeFolder(b.cp.files.FS, b.cp.files.CoreDir(b.file.Key), 0o755)
}

// EveryBlock is the range that a drop, or a cut back to nothing, removes.
var EveryBlock = blockmap.Range{First: 0, End: blockmap.NoLimit}

// drop forgets everything of the core.
func (b *coreBuilder) drop() {
	b.tell(EveryBlock, false)
	b.abort()
	fresh := newCoreBuilder(b.cp, b.file.Key, nil)
	fresh.dropped = true
	*b = *fresh
	b.grow.builder = b
}

// abort stops writing.
func (b *coreBuilder) abort() { b.grow.abort() }

// span takes in the blocks of span e.
func (b *coreBuilder) span(e *records.Entry, list *records.RunList) error {
	span := e.Span
	from, err := b.cp.places(e, list)
	if err != nil {
		return err
	}
	rows := make([]blockmap.Row, 0, len(span.Parts))
	for _, p := range span.Parts {
		r := blockmap.Row{First: p.First, Count: p.Count, Kind: blockmap.ByLeaf}
		if p.ByLeaf == nil {
			at, ok := from.of(&p)
			if !ok {
				b.tell(blockmap.Range{First: p.First, End: p.End()}, true)
				continue // damaged
			}
			r.Kind, r.Place = blockmap.Placed, at
		}
		rows = append(rows, r)
		b.hold(blockmap.Range{First: r.First, End: r.End()})
	}
	b.rows.Add(rows)
	if len(b.rows) >= b.cp.limits.BufferRows {
		if err := b.flushRows(); err != nil {
			return err
		}
	}
	if span.Append && b.cp.sparse {
		return b.learnSparse(span)
	}
	if span.Append {
		if done, err := b.grow.span(span, from); done || err != nil {
			return err
		}
	}
	if err := b.learnAll(span.Roots); err != nil {
		return err
	}
	return treetable.InSubtrees(b.learnSubtree, func(leaf func(merkle.Node) error) error { return b.leaves(span, from, leaf) })
}

// learnSparse takes only those nodes of an append span that cannot be computed from its runs.
func (b *coreBuilder) learnSparse(span *records.Span) error {
	if err := b.learnAll(span.Roots); err != nil {
		return err
	}
	for _, p := range span.Parts {
		for i, ref := range p.ByLeaf {
			if err := b.learn(merkle.LeafNodeHash(p.First+uint64(i), ref.Size, ref.Leaf)); err != nil {
				return err
			}
		}
	}
	return nil
}

// leaves calls fn for the leaf nodes of a span's blocks, reading runs where it must. Blocks of damaged runs are left out.
func (b *coreBuilder) leaves(span *records.Span, from *spanPlaces, fn func(merkle.Node) error) error {
	for _, p := range span.Parts {
		leaf, err := b.leavesOf(p, from)
		if err != nil {
			return err
		}
		for i := uint64(0); leaf != nil && i < p.Count; i++ {
			if err := fn(leaf(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// leavesOf returns a function for the leaf node of each block of a part, by its number in it; nil if the blocks are
// damaged.
func (b *coreBuilder) leavesOf(p records.Part, from *spanPlaces) (func(i uint64) merkle.Node, error) {
	if p.ByLeaf != nil {
		return func(i uint64) merkle.Node {
			return merkle.LeafNodeHash(p.First+i, p.ByLeaf[i].Size, p.ByLeaf[i].Leaf)
		}, nil
	}
	first, ok := from.of(&p)
	if !ok {
		return nil, nil
	}
	e, err := b.runOf(&p, first, from)
	if e == nil || err != nil {
		return nil, err
	}
	if !e.Run.Short {
		return func(i uint64) merkle.Node {
			at := uint64(first.At) + i
			return merkle.LeafNodeHash(p.First+i, uint64(e.Run.Lengths[at]), e.Run.Leaves[at])
		}, nil
	}
	run, err := b.cp.source.Runs.Run(b.cp.ctx, e.At)
	if errors.Is(err, packlog.ErrDamaged) {
		b.cp.source.BadRun(err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	run.Hash()
	return func(i uint64) merkle.Node { return run.Leaf(p.At+uint32(i), p.First+i) }, nil
}

// runOf returns the run of a part, which must be there; nil if it cannot be read any more.
func (b *coreBuilder) runOf(p *records.Part, at runs.Place, from *spanPlaces) (*records.Entry, error) {
	if p.InRun() {
		return from.runs.Find(p.Run), nil
	}
	e, err := b.cp.source.Runs.Meta(b.cp.ctx, at.Run, packlog.KindRun)
	if errors.Is(err, packlog.ErrDamaged) {
		b.cp.source.BadRun(err)
		return nil, nil
	}
	return e, err
}

// node returns a known node.
func (b *coreBuilder) node(index uint64) (merkle.Node, bool, error) {
	if n, ok := b.learnt.Get(index); ok {
		return n, true, nil
	}
	c := derived.Core{File: &b.file, Tree: b.tree}
	return c.Node(b.cp.ctx, index)
}

// learn takes in a node, and those that follow from it.
func (b *coreBuilder) learn(n merkle.Node) error { return b.learnSubtree([]merkle.Node{n}) }

// learnSubtree takes in the leaves of a subtree, or any single node, and the nodes that follow.
func (b *coreBuilder) learnSubtree(leaves []merkle.Node) error {
	if err := b.grow.stop(); err != nil {
		return err
	}
	err := treetable.Climb(leaves, b.node, &b.learnt)
	if err == nil && b.learnt.Len() >= b.cp.limits.TreeRows {
		return b.flushLearnt()
	}
	return err
}

func (b *coreBuilder) learnAll(nodes []merkle.Node) error {
	for _, n := range nodes {
		if err := b.learn(n); err != nil {
			return err
		}
	}
	return nil
}

// truncate forgets everything from block length on.
func (b *coreBuilder) truncate(length uint64) error {
	if err := b.flushAll(); err != nil {
		return err
	}
	b.grow.roots = nil
	limit := treetable.Count(length)
	for i := range b.file.Tree {
		b.file.Tree[i].Limit = min(b.file.Tree[i].Limit, limit)
		b.tree[i].Limit = b.file.Tree[i].Limit
	}
	for i := range b.file.Runs {
		b.file.Runs[i].Limit = min(b.file.Runs[i].Limit, length)
	}
	b.release(blockmap.Range{First: length, End: blockmap.NoLimit})
	return nil
}

// clear forgets blocks, but not their nodes.
func (b *coreBuilder) clear(first, end uint64) error {
	end = min(end, b.file.Head.Length)
	if first >= end {
		return nil
	}
	b.release(blockmap.Range{First: first, End: end})
	b.rows.Add(blockmap.ClearedRows(first, end, 0))
	return nil
}

func (b *coreBuilder) hold(r blockmap.Range) {
	b.tell(r, false)
	b.added = blockmap.AddRange(b.added, r)
	if len(b.removed) > 0 {
		b.removed = blockmap.RemoveRange(b.removed, r)
	}
}

// tell reports to a check whether blocks that a span names are missing.
func (b *coreBuilder) tell(r blockmap.Range, lost bool) {
	if b.cp.source.Lost != nil {
		b.cp.source.Lost(b.file.Key, r, lost)
	}
}

func (b *coreBuilder) release(r blockmap.Range) {
	b.tell(r, false)
	b.added = blockmap.RemoveRange(b.added, r)
	b.removed = blockmap.AddRange(b.removed, r)
}

func (b *coreBuilder) flushAll() error {
	if err := b.grow.stop(); err != nil {
		return err
	}
	if err := b.flushLearnt(); err != nil {
		return err
	}
	return b.flushRows()
}

// finish writes everything that is left, and the core's file. It returns the file's number, 0 if the core is gone.
func (b *coreBuilder) finish() (uint64, error) {
	if b.dropped || !b.file.Known {
		return 0, nil
	}
	if err := b.flushAll(); err != nil {
		return 0, err
	}
	if err := b.compact(); err != nil {
		return 0, err
	}
	if err := b.finishRanges(); err != nil {
		return 0, err
	}
	b.number = b.cp.number()
	if err := b.makeFolder(); err != nil {
		return 0, err
	}
	path := b.path("core")(b.number)
	if err := b.cp.files.FS.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("removing %s: %w", path, err)
	}
	b.cp.written = append(b.cp.written, path)
	b.cp.folders[b.cp.files.CoreDir(b.file.Key)] = true
	return b.number, smallfile.Create(b.cp.files.FS, path, b.file.Encode(), 0o644)
}

// names returns the names of the core's files after finish.
func (b *coreBuilder) names() map[string]bool {
	if b.dropped || !b.file.Known {
		return nil
	}
	return coreNames(&b.file, b.number)
}

// coreNames returns the names of a core's files: the one with that number, and those that it names.
func coreNames(file *derived.CoreFile, number uint64) map[string]bool {
	keep := make(map[string]bool)
	name := func(number uint64, what string) string { return strconv.FormatUint(number, 10) + "." + what }
	for _, t := range file.Tree {
		keep[name(t.Number, "tree")] = true
	}
	for _, t := range file.Runs {
		keep[name(t.Number, "runs")] = true
	}
	if file.RangesFile != 0 {
		keep[name(file.RangesFile, "ranges")] = true
	}
	keep[name(number, "core")] = true
	return keep
}
