package checkpoint

import (
	"sync"

	"hc/lib/merkle"
	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/records"
	"hc/lib/store/table"
	"hc/lib/store/treetable"
)

// treeGrower writes the nodes of a growing log: they come in the order of their table, so nothing is sorted or looked
// up, and only the roots are held.
type treeGrower struct {
	builder *coreBuilder
	roots   *merkle.Roots // nil: they must be looked up
	leaves  []merkle.Node // not in roots yet
	first   uint64        // post-order number of the first row
	rows    []byte        // values of consecutive nodes, not written yet
	writer  *table.Writer // nil: none has been begun
	number  uint64        // of the writer's table
}

// span takes in an append span, if it is at the log's end and all of it can be read; otherwise done is false, and what
// it has taken in is right.
func (g *treeGrower) span(span *records.Span, from *spanPlaces) (done bool, err error) {
	if ok, err := g.at(span.First); !ok || err != nil {
		return false, err
	}
	ahead := readAhead{builder: g.builder, parts: span.Parts, runs: from.runs}
	defer ahead.group.Wait()
	for k, p := range span.Parts {
		ahead.from(k)
		leaf, err := g.builder.leavesOf(p, from)
		if err != nil {
			return false, err
		}
		if leaf == nil {
			g.roots = nil
			return false, nil
		}
		if err := g.part(p.Count, leaf); err != nil {
			return false, err
		}
	}
	return true, nil
}

// leavesTogether is how many leaves are added to the tree at once: enough to hash their parents side by side.
const leavesTogether = 4096

// part takes in the next leaves. Rows are held until there are enough for a table, since there may be many cores.
func (g *treeGrower) part(count uint64, leaf func(i uint64) merkle.Node) error {
	most := g.builder.cp.limits.BufferRows * treetable.Schema.ValueSize
	if g.rows == nil && count >= leavesTogether { // there will be a table
		g.rows = make([]byte, 0, most+2*leavesTogether*treetable.Schema.ValueSize)
	}
	for i := uint64(0); i < count; {
		g.leaves = g.leaves[:0]
		for ; i < count && len(g.leaves) < leavesTogether; i++ {
			g.leaves = append(g.leaves, leaf(i))
		}
		g.roots.AppendAll(g.leaves, g.add)
		if g.writer == nil && len(g.rows) < most {
			continue
		}
		if err := g.write(); err != nil {
			return err
		}
	}
	return nil
}

// add takes in a node: nodes come in the order of their numbers.
func (g *treeGrower) add(n merkle.Node) {
	if len(g.rows) == 0 {
		g.first = treetable.Number(n.Index)
	}
	g.rows = treetable.AppendValue(g.rows, n)
}

// readAhead decodes and hashes the short runs of a span before they are needed, in parallel with the tree's own
// hashing.
type readAhead struct {
	builder *coreBuilder
	parts   []records.Part
	runs    *records.RunList
	next    int // part
	group   sync.WaitGroup
}

const runsAhead = 2 // the reader holds a few more

// from begins to read the runs after a part.
func (a *readAhead) from(part int) {
	a.next = max(a.next, part+1)
	for ; a.next < len(a.parts) && a.next <= part+runsAhead; a.next++ {
		p := a.parts[a.next]
		if !p.InRun() {
			continue
		}
		e := a.runs.Find(p.Run)
		if e == nil || !e.Run.Short {
			continue
		}
		a.group.Go(func() {
			run, err := a.builder.cp.source.Runs.Run(a.builder.cp.ctx, e.At)
			if err == nil { // whoever needs the run will see an error
				run.Hash()
			}
		})
	}
}

// at reports whether the roots of a log of length blocks are known, and loads them.
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
		return false, nil // impossible sizes: they are hints
	}
	if err := g.builder.flushLearnt(); err != nil { // those nodes are older than the coming ones, and would be written after them
		return false, err
	}
	g.roots = roots
	return true, nil
}

// write writes the gathered rows.
func (g *treeGrower) write() error {
	if len(g.rows) == 0 {
		return nil
	}
	if g.writer == nil {
		g.number = g.builder.cp.number()
		w, err := g.builder.create(g.number, "tree", treetable.Schema)
		if err != nil {
			return err
		}
		g.writer = w
	}
	err := g.writer.AddFollowing(g.first, g.rows)
	g.rows = g.rows[:0]
	return err
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
	g.writer, g.rows = nil, nil
	return g.builder.addTree(g.number, rows)
}

func (g *treeGrower) abort() {
	if g.writer != nil {
		g.writer.Abort()
		g.writer = nil
	}
	g.rows, g.leaves, g.roots = nil, nil, nil
}

// addTree puts a finished table in front of the core's others.
func (b *coreBuilder) addTree(number, rows uint64) error {
	t, err := b.cp.files.Table(b.path("tree")(number), treetable.Schema)
	if err != nil {
		return err
	}
	b.file.Tree = pushTable(b.file.Tree, derived.TableRef{Level: b.cp.limits.levelOf(rows), Number: number, Limit: blockmap.NoLimit})
	b.tree = append([]derived.Limited{{Table: t, Limit: blockmap.NoLimit}}, b.tree...)
	return nil
}

// flushLearnt writes the learnt nodes as a table.
func (b *coreBuilder) flushLearnt() error {
	if b.learnt.Len() == 0 {
		return nil
	}
	number := b.cp.number()
	w, err := b.create(number, "tree", treetable.Schema)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := b.learnt.AddTo(w); err != nil {
		return err
	}
	rows, err := w.Finish()
	if err != nil {
		return err
	}
	b.learnt.Clear()
	return b.addTree(number, rows)
}
