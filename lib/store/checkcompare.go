package store

import (
	"bytes"
	"errors"
	"iter"
	"path/filepath"
	"reflect"
	"slices"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/table"
)

// compare compares what a names with the shadow, which is at the same position: everything but the trees, see
// storedTree.
func (d *derivedCheck) compare(a *derived.Applied) error {
	c := d.checker
	stored, err := derived.Open(c.store.files, a)
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
	for _, ref := range log.Applied.Cores {
		of[ref.Key] = true
		at := &coreCompare{derivedCheck: d, key: ref.Key}
		if at.stored, err = stored.Core(ref.Key); err != nil {
			return d.moved(a, err)
		}
		if at.log, err = log.Core(ref.Key); err != nil {
			return err
		}
		if at.stored == nil {
			d.mismatch(filepath.Join(c.dir, derived.AppliedName), "core %v is missing", ref.Key)
			continue
		}
		c.was[ref.Key] = coreWas{number: ref.Number, tables: at.stored, head: at.log.File.Head}
		if err := at.run(); err != nil {
			return err
		}
	}
	for _, ref := range a.Cores {
		if !of[ref.Key] {
			c.witness[ref.Key] = true
			d.mismatch(filepath.Join(c.dir, derived.AppliedName), "the log has no core %v", ref.Key)
		}
	}
	return nil
}

// index compares leaf hash by leaf hash.
func (d *derivedCheck) index(stored, log *derived.Tables) error {
	path := filepath.Join(d.checker.dir, "index")
	next, stop := iter.Pull2(stored.Index.All(d.ctx))
	defer stop()
	row, err, ok := next()
	for want, wantErr := range log.Index.All(d.ctx) {
		if wantErr != nil {
			return wantErr
		}
		for ok && err == nil && bytes.Compare(row.Key, want.Key) < 0 {
			d.mismatch(path, "block %x is in no run", row.Key)
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
				d.mismatch(path, "block %x is not in the place that it names", want.Key)
				return err
			}
		}
		row, err, ok = next()
	}
	if ok && err == nil {
		d.mismatch(path, "block %x is in no run", row.Key)
	}
	return err
}

// mayLack reports whether the index may lack a row. That of a delta is left out if the block was stored without a base,
// too, in a run which a gc may have removed since.
func (d *derivedCheck) mayLack(r table.Row) (bool, error) {
	e, err := d.checker.store.reader.Meta(d.ctx, blockmap.DecodePlace(r.Value).Run, packlog.KindRun)
	if errors.Is(err, ErrDamaged) || errors.Is(err, packlog.ErrMoved) {
		return false, nil
	}
	return err == nil && e.Run.Codec == records.CodecDelta, err
}

// sameBlock reports whether a place has the block of that row: more than one may.
func (d *derivedCheck) sameBlock(r table.Row) (bool, error) {
	at := blockmap.DecodePlace(r.Value)
	e, err := d.checker.store.reader.Meta(d.ctx, at.Run, packlog.KindRun)
	if errors.Is(err, ErrDamaged) || errors.Is(err, packlog.ErrMoved) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return int(at.At) < len(e.Run.Leaves) && bytes.Equal(e.Run.Leaves[at.At][:], r.Key), nil
}

// coreCompare compares the derived files of one core, except its tree.
type coreCompare struct {
	*derivedCheck
	key         keys.Key
	stored, log *derived.Core
}

func (k *coreCompare) run() error {
	c := k.checker
	path := c.store.files.CoreDir(k.key)
	s, l := k.stored.File, k.log.File
	switch {
	case !derived.SameHead(s.Head, l.Head) || !bytes.Equal(s.Head.Signature, l.Head.Signature) || s.Known != l.Known:
		c.witness[k.key] = true
		k.mismatch(path, "its head has %d blocks, that of the log %d", s.Head.Length, l.Head.Length)
	case !bytes.Equal(s.Manifest, l.Manifest):
		c.witness[k.key] = true
		k.mismatch(path, "the manifest differs")
	case !reflect.DeepEqual(append([]Head{}, s.Seen...), append([]Head{}, l.Seen...)):
		k.mismatch(path, "the conflicting heads differ")
	}
	if at, same, err := sameSequence(k.ranges(k.stored), k.ranges(k.log), k.sameBlocks); err != nil {
		return err
	} else if !same {
		c.witness[k.key] = true
		k.mismatch(path, "the held blocks differ from block %d on", at)
	}
	at, same, err := sameSequence(k.rows(k.stored), k.rows(k.log), k.sameBlocks)
	if err == nil && !same {
		c.witness[k.key] = true
		k.mismatch(path, "block %d has another place", at)
	}
	return err
}

// ranges yields the ranges of held blocks.
func (k *coreCompare) ranges(t *derived.Core) iter.Seq2[blockmap.Row, error] {
	return func(yield func(blockmap.Row, error) bool) {
		for r, err := range t.AllRanges(k.ctx) {
			if !yield(blockmap.Row{First: r.First, Count: r.End - r.First, Kind: blockmap.ByLeaf}, err) {
				return
			}
		}
	}
}

// rows yields the rows about blocks that are held.
func (k *coreCompare) rows(t *derived.Core) iter.Seq2[blockmap.Row, error] {
	return func(yield func(blockmap.Row, error) bool) {
		err := t.EachRow(k.ctx, func(r blockmap.Row) error {
			if !yield(r, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(blockmap.Row{}, err)
		}
	}
}

var errStop = errors.New("stop")

// sameBlocks reports whether two places have the same blocks: a passage may be found in either.
func (k *coreCompare) sameBlocks(a, b place, count uint64) (bool, error) {
	var leaves [2][]hash.Digest
	for i, at := range []place{a, b} {
		e, err := k.checker.store.reader.Meta(k.ctx, at.Run, packlog.KindRun)
		if errors.Is(err, ErrDamaged) || errors.Is(err, packlog.ErrMoved) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if end := uint64(at.At) + count; end <= uint64(len(e.Run.Leaves)) {
			leaves[i] = e.Run.Leaves[at.At:end]
		}
	}
	return len(leaves[0]) > 0 && slices.Equal(leaves[0], leaves[1]), nil
}

// sameSequence reports whether two sequences of rows say the same about every block, and if not, about which one they
// differ. alike compares blocks that are in different places.
func sameSequence(a, b iter.Seq2[blockmap.Row, error], alike func(a, b place, count uint64) (bool, error)) (at uint64, same bool, err error) {
	next, stop := iter.Pull2(a)
	defer stop()
	var left blockmap.Row // of a, not compared yet
	pull := func() (ok bool, err error) {
		for left.Count == 0 {
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
		for r.Count > 0 {
			ok, err := pull()
			if err != nil || !ok || left.First != r.First || left.Kind != r.Kind {
				return r.First, false, err
			}
			end := min(left.End(), r.End())
			if left.Kind == blockmap.Placed && left.Place != r.Place {
				if same, err := alike(left.Place, r.Place, end-r.First); err != nil || !same {
					return r.First, false, err
				}
			}
			left, r = tailOf(left, end), tailOf(r, end)
		}
	}
	ok, err := pull()
	return left.First, !ok, err
}

// tailOf returns the part of a row from a block on, which may be empty.
func tailOf(r blockmap.Row, from uint64) blockmap.Row {
	if from >= r.End() {
		return blockmap.Row{}
	}
	return r.Part(from, r.End())
}

// coreWas is what was known of a core at the position that the store's derived files have reached.
type coreWas struct {
	number uint64 // of the shadow's file
	head   Head
	tables *derived.Core // the store's own
}
