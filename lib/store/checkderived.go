package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/bits"
	"path/filepath"
	"reflect"
	"sort"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
	"hc/lib/store/table"
)

// maxHeldTables is how many of the store's tables stay open after they were read, so that a checkpoint of another process
// does not take them away before the cores are compared.
const maxHeldTables = 512

const rebuilds = "hc fsck --repair builds it again from the packs"

// derivedCheck reads the store's derived files, and compares them with what the log says up to the same position.
type derivedCheck struct {
	checker *Checker
	ctx     context.Context
	bad     bool // something cannot be read
}

// name returns a path below the store's folder.
func (d *derivedCheck) name(path string) string {
	name, err := filepath.Rel(d.checker.dir, path)
	if err != nil {
		return path
	}
	return filepath.ToSlash(name)
}

// fault tells of a derived file that is not what it should be.
func (d *derivedCheck) fault(path string, offset int64, err error) {
	d.bad = true
	d.checker.derived = true
	d.checker.found(Finding{Harm: HarmDerived, File: d.name(path), Offset: uint64(offset), What: err.Error(), Next: rebuilds})
}

// mismatch tells of a file that is whole, and says something else than the log.
func (d *derivedCheck) mismatch(path, format string, args ...any) {
	d.fault(path, 0, fmt.Errorf("it does not say what the log says: "+format, args...))
}

// applied reads all derived files. It returns nil where there is nothing to be compared: there are none, they are stale, or
// they cannot be read.
func (d *derivedCheck) applied() (*applied, error) {
	c := d.checker
	path := filepath.Join(c.dir, appliedName)
	raw, err := readSmall(c.fs, path, maxAppliedFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a, err := decodeApplied(raw)
	if err != nil {
		d.fault(path, 0, err)
		return nil, nil
	}
	for _, p := range a.packs {
		if !c.store.log.Current(p) {
			return nil, nil // a pack was rewritten: it is all built again, by its own rule
		}
	}
	for _, ref := range a.index {
		if err := d.table(c.store.files.indexPath(ref.number), indexSchema); err != nil {
			return nil, d.moved(a, err)
		}
	}
	for _, ref := range a.cores {
		if err := d.core(ref); err != nil {
			return nil, d.moved(a, err)
		}
	}
	if d.bad {
		return nil, nil
	}
	return a, nil
}

// moved tells a file that is gone from one that a checkpoint of another process has removed.
func (d *derivedCheck) moved(a *applied, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c := d.checker
	raw, readErr := readSmall(c.fs, filepath.Join(c.dir, appliedName), maxAppliedFile)
	if readErr != nil || !bytes.Equal(raw, a.encode()) {
		return fmt.Errorf("%w: a checkpoint was made", packlog.ErrMoved)
	}
	var path *fs.PathError
	if !errors.As(err, &path) {
		return err
	}
	d.fault(path.Path, 0, errors.New("it is gone"))
	return nil
}

// table reads all of a table.
func (d *derivedCheck) table(path string, schema table.Schema) error {
	t, err := d.checker.store.files.table(path, schema)
	if errors.Is(err, table.ErrDamaged) {
		d.fault(path, 0, err)
		return nil
	}
	if err != nil {
		return err
	}
	offset, err := t.Check(d.ctx)
	if errors.Is(err, table.ErrDamaged) {
		d.fault(path, offset, err)
		return nil
	}
	if len(d.checker.store.files.open) > maxHeldTables {
		d.checker.store.files.discard(path)
	}
	return err
}

// core reads the files of a core.
func (d *derivedCheck) core(ref coreRef) error {
	files := d.checker.store.files
	path := files.corePath(ref.key, ref.number, "core")
	raw, err := readSmall(d.checker.fs, path, maxCoreFile)
	if err != nil {
		return err
	}
	file, err := decodeCoreFile(raw)
	if err == nil && file.key != ref.key {
		err = fmt.Errorf("%w: it is of core %v", errDerived, file.key)
	}
	if err != nil {
		d.fault(path, 0, err)
		return nil
	}
	for _, t := range file.tree {
		if err := d.table(files.corePath(ref.key, t.number, "tree"), treeSchema); err != nil {
			return err
		}
	}
	for _, t := range file.runs {
		if err := d.table(files.corePath(ref.key, t.number, "runs"), runsSchema); err != nil {
			return err
		}
	}
	if file.rangesFile == 0 {
		return nil
	}
	return d.table(files.corePath(ref.key, file.rangesFile, "ranges"), rangesSchema)
}

// compare compares what a names with the shadow, which is at the same position: all but the trees, see storedTree.
func (d *derivedCheck) compare(a *applied) error {
	c := d.checker
	stored, err := openDerived(c.store.files, a)
	if err != nil {
		return d.moved(a, err)
	}
	log, err := c.openShadow()
	if err != nil {
		return err
	}
	if err := d.index(stored, log); err != nil {
		return err
	}
	c.was = make(map[keys.Key]coreWas)
	of := make(map[keys.Key]bool)
	for _, ref := range log.applied.cores {
		of[ref.key] = true
		at := &coreCompare{derivedCheck: d, key: ref.key}
		if at.stored, err = stored.core(ref.key); err != nil {
			return d.moved(a, err)
		}
		if at.log, err = log.core(ref.key); err != nil {
			return err
		}
		if at.stored == nil {
			d.mismatch(filepath.Join(c.dir, appliedName), "core %v is missing", ref.key)
			continue
		}
		c.was[ref.key] = coreWas{number: ref.number, tables: at.stored, head: at.log.file.head}
		if err := at.run(); err != nil {
			return err
		}
	}
	for _, ref := range a.cores {
		if !of[ref.key] {
			c.witness[ref.key] = true
			d.mismatch(filepath.Join(c.dir, appliedName), "the log has no core %v", ref.key)
		}
	}
	return nil
}

// index compares leaf hash by leaf hash.
func (d *derivedCheck) index(stored, log *derived) error {
	path := filepath.Join(d.checker.dir, "index")
	next, stop := iter.Pull2(mergedRows(d.ctx, limitedAll(stored.index)))
	defer stop()
	row, err, ok := next()
	for want, wantErr := range mergedRows(d.ctx, limitedAll(log.index)) {
		if wantErr != nil {
			return wantErr
		}
		for ok && err == nil && bytes.Compare(row.Key, want.Key) < 0 {
			d.mismatch(path, "a block %x is in no run", row.Key)
			return nil
		}
		if err != nil {
			return err
		}
		if !ok || !bytes.Equal(row.Key, want.Key) {
			if may, err := d.mayLack(want); may || err != nil {
				if err != nil {
					return err
				}
				continue
			}
			d.mismatch(path, "block %x is not found", want.Key)
			return nil
		}
		if !bytes.Equal(row.Value, want.Value) {
			if same, err := d.sameBlock(row); err != nil || !same {
				d.mismatch(path, "block %x is looked for in the wrong place", want.Key)
				return err
			}
		}
		row, err, ok = next()
	}
	if ok && err == nil {
		d.mismatch(path, "a block %x is in no run", row.Key)
	}
	return err
}

// mayLack reports whether the index may be without a row: one of a delta is left out where the block was stored without a base, too, which a
// gc may have taken since.
func (d *derivedCheck) mayLack(r table.Row) (bool, error) {
	e, err := d.checker.store.reader.meta(d.ctx, decodePlace(r.Value).run, packlog.KindRun)
	if errors.Is(err, ErrDamaged) || errors.Is(err, packlog.ErrMoved) {
		return false, nil
	}
	return err == nil && e.run.codec == codecDelta, err
}

// sameBlock reports whether a place has the block of that row: there may be more than one.
func (d *derivedCheck) sameBlock(r table.Row) (bool, error) {
	at := decodePlace(r.Value)
	e, err := d.checker.store.reader.meta(d.ctx, at.run, packlog.KindRun)
	if errors.Is(err, ErrDamaged) || errors.Is(err, packlog.ErrMoved) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return int(at.at) < len(e.run.leaves) && bytes.Equal(e.run.leaves[at.at][:], r.Key), nil
}

// coreCompare compares the derived files of one core, but for its tree.
type coreCompare struct {
	*derivedCheck
	key         keys.Key
	stored, log *coreTables
}

func (k *coreCompare) run() error {
	c := k.checker
	path := c.store.files.coreDir(k.key)
	s, l := k.stored.file, k.log.file
	switch {
	case !sameHead(s.head, l.head) || !bytes.Equal(s.head.Signature, l.head.Signature) || s.known != l.known:
		c.witness[k.key] = true
		k.mismatch(path, "it has a head of %d blocks, the log one of %d", s.head.Length, l.head.Length)
	case !bytes.Equal(s.manifest, l.manifest):
		c.witness[k.key] = true
		k.mismatch(path, "it has another manifest")
	case !reflect.DeepEqual(append([]Head{}, s.seen...), append([]Head{}, l.seen...)):
		k.mismatch(path, "it has other conflicting heads")
	}
	if at, same, err := sameSequence(k.ranges(k.stored), k.ranges(k.log)); err != nil {
		return err
	} else if !same {
		c.witness[k.key] = true
		k.mismatch(path, "other blocks are held, from block %d on", at)
	}
	at, same, err := sameSequence(k.rows(k.stored), k.rows(k.log))
	if err == nil && !same {
		c.witness[k.key] = true
		k.mismatch(path, "block %d is looked for in another place", at)
	}
	return err
}

// ranges gives the ranges of held blocks.
func (k *coreCompare) ranges(t *coreTables) iter.Seq2[row, error] {
	b := &coreBuilder{cp: &checkpoint{ctx: k.ctx}, base: t}
	return func(yield func(row, error) bool) {
		for r, err := range b.baseRanges() {
			if !yield(row{first: r.first, count: r.end - r.first, kind: rowByLeaf}, err) {
				return
			}
		}
	}
}

// rows gives what is said of the blocks that are held.
func (k *coreCompare) rows(t *coreTables) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		err := mergeRuns(k.ctx, t.runs, true, func(r row) error {
			if !yield(r, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(row{}, err)
		}
	}
}

var errStop = errors.New("stop")

// sameSequence reports whether two sequences of rows say the same of every block, or else of which not.
func sameSequence(a, b iter.Seq2[row, error]) (at uint64, same bool, err error) {
	next, stop := iter.Pull2(a)
	defer stop()
	var left row // of a, not compared yet
	pull := func() (ok bool, err error) {
		for left.count == 0 {
			r, err, ok := next()
			if !ok || err != nil {
				return false, err
			}
			left = r
		}
		return true, nil
	}
	for r, err := range b {
		if err != nil {
			return 0, false, err
		}
		for r.count > 0 {
			ok, err := pull()
			if err != nil || !ok || left.first != r.first || left.kind != r.kind || left.kind == rowPlaced && left.place != r.place {
				return r.first, false, err
			}
			end := min(left.end(), r.end())
			left, r = tailOf(left, end), tailOf(r, end)
		}
	}
	ok, err := pull()
	return left.first, !ok, err
}

// tailOf returns the part of a row from a block on, which may be empty.
func tailOf(r row, from uint64) row {
	if from >= r.end() {
		return row{}
	}
	return r.part(from, r.end())
}

// coreWas is what was known of a core at the position up to which the store's derived files go.
type coreWas struct {
	number uint64 // of the shadow's file
	head   Head
	tables *coreTables // the store's own
}

// storedTree is the tree of a core in the store's own tables, to be compared with one that is computed.
type storedTree struct {
	checker *Checker
	path    string
	above   func(merkle.Node) (bool, error) // whether a node is above a block that is held
	rows    *nodeStream
	exact   bool // nothing came behind the position of the tables: what is computed is all there
	wrong   error
	more    error // a node that does not follow from what the log has
}

// storedTree returns the tree to compare, nil if there is none.
func (c *Checker) storedTree(ctx context.Context, key keys.Key, log *coreTables) (*storedTree, error) {
	was, ok := c.was[key]
	if !ok || was.head.Fork != log.file.head.Fork {
		return nil, nil
	}
	d, err := c.openShadow()
	if err != nil {
		return nil, err
	}
	cores := d.applied.cores
	i := sort.Search(len(cores), func(i int) bool { return string(cores[i].key[:]) >= string(key[:]) })
	t := &storedTree{checker: c, path: c.store.files.coreDir(key), above: log.aboveHeld(ctx), exact: i < len(cores) && cores[i].key == key && cores[i].number == was.number}
	t.rows, err = newNodeStream(ctx, was.tables.tree)
	return t, err
}

// expect looks for a node that is right; they come in post-order.
func (t *storedTree) expect(n merkle.Node) error {
	if t == nil {
		return nil
	}
	got, err := t.rows.to(postOrder(n.Index), func(extra merkle.Node) error {
		held, err := t.above(extra)
		if held && t.more == nil {
			t.more = fmt.Errorf("node %d does not follow from what the log has", extra.Index)
		}
		return err
	})
	switch {
	case err != nil || t.wrong != nil:
	case got == nil && t.exact:
		t.wrong = fmt.Errorf("node %d is missing", n.Index)
	case got != nil && !agree(*got, n):
		t.wrong = fmt.Errorf("node %d is another one", n.Index)
	}
	return err
}

// aboveHeld returns a function that reports whether a block is held below a node. Nodes above cleared blocks only stay in
// tables when a gc has taken the runs that they follow from out of the log.
func (c *coreTables) aboveHeld(ctx context.Context) func(merkle.Node) (bool, error) {
	return func(n merkle.Node) (bool, error) {
		r, ok, err := c.rangeAt(ctx, merkle.FirstBlock(n.Index))
		return ok && r.first <= merkle.LastBlock(n.Index), err
	}
}

// finish reads the rest, and tells what was found. What the log has lost may be in the tables still: that is no fault of theirs.
func (t *storedTree) finish() error {
	if t == nil {
		return nil
	}
	if _, err := t.rows.to(noLimit, nil); err != nil {
		return err
	}
	if t.wrong == nil {
		t.wrong = t.rows.wrong
	}
	if t.wrong == nil && t.exact && len(t.checker.badRuns) == 0 && len(t.checker.unknown) == 0 {
		t.wrong = t.more
	}
	if t.wrong != nil {
		d := derivedCheck{checker: t.checker}
		d.mismatch(t.path, "%w", t.wrong)
	}
	return nil
}

// limitedAll gives tables whose rows all count.
func limitedAll(tables []*table.Table) []limited {
	list := make([]limited, len(tables))
	for i, t := range tables {
		list[i] = limited{t, noLimit}
	}
	return list
}

// treeNodes gives the nodes of a tree's tables, newest first, in post-order.
func treeNodes(ctx context.Context, tables []limited) iter.Seq2[merkle.Node, error] {
	return func(yield func(merkle.Node, error) bool) {
		for r, err := range mergedRows(ctx, tables) {
			if err != nil {
				yield(merkle.Node{}, err)
				return
			}
			number := uint64(0)
			for _, b := range r.Key {
				number = number<<8 | uint64(b)
			}
			if number >= noLimit {
				yield(merkle.Node{}, fmt.Errorf("%w: a tree has a row %x", errDerived, r.Key))
				return
			}
			if !yield(decodeTreeValue(nodeAt(number), r.Value), nil) {
				return
			}
		}
	}
}

// nodeAt returns the flat-tree index of the node with that post-order number.
func nodeAt(number uint64) uint64 {
	// The last block below it is the highest that has no more nodes before its own; popcount is below 64.
	first := number / 2
	last := first + uint64(sort.Search(64, func(i int) bool {
		block := first + uint64(i) + 1
		return 2*block-uint64(bits.OnesCount64(block)) > number
	}))
	depth := number - (2*last - uint64(bits.OnesCount64(last)))
	return merkle.Index(int(depth), (last+1)>>depth-1)
}

// mergedRows gives the rows of tables, newest first, of each key the newest. Of the index all rows count, whatever the limit.
func mergedRows(ctx context.Context, tables []limited) iter.Seq2[table.Row, error] {
	return func(yield func(table.Row, error) bool) {
		type source struct {
			next func() (table.Row, error, bool)
			row  table.Row
		}
		var sources []*source
		advance := func(s *source) (ok bool, err error) {
			s.row, err, ok = s.next()
			return ok && err == nil, err
		}
		for _, t := range tables {
			rows := limitedRows(ctx, t)
			if t.limit == noLimit {
				rows = t.Scan(ctx, nil)
			}
			next, stop := iter.Pull2(rows)
			defer stop()
			s := &source{next: next}
			ok, err := advance(s)
			if err != nil {
				yield(table.Row{}, err)
				return
			}
			if ok {
				sources = append(sources, s)
			}
		}
		var key, value []byte
		for len(sources) > 0 {
			lowest := sources[0]
			for _, s := range sources[1:] {
				if bytes.Compare(s.row.Key, lowest.row.Key) < 0 {
					lowest = s
				}
			}
			key, value = append(key[:0], lowest.row.Key...), append(value[:0], lowest.row.Value...)
			if !yield(table.Row{Key: key, Value: value}, nil) {
				return
			}
			left := sources[:0]
			for _, s := range sources {
				ok := true
				if bytes.Equal(s.row.Key, key) {
					var err error
					if ok, err = advance(s); err != nil {
						yield(table.Row{}, err)
						return
					}
				}
				if ok {
					left = append(left, s)
				}
			}
			sources = left
		}
	}
}
