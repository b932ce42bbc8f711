package store

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"

	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/smallfile"
	"hc/lib/store/table"
)

// moves says where what was in rewritten packs is now.
type moves struct {
	packs map[uint64]movedPack                  // by their old sequences
	table *table.Table                          // runs: where they were → where they are
	first map[packlog.AppendID]packlog.Position // where appends that are not committed begin now

	last, now place // of the last look-up
	there     bool
}

// movedPack is a pack that was rewritten.
type movedPack struct {
	id  uint64           // of the old one
	now packlog.Position // where the new one begins
}

// find returns where a block is; ok is false if it is nowhere any more.
func (m *moves) find(ctx context.Context, at place) (now place, ok bool, err error) {
	pack, moved := m.packs[at.Run.Pack]
	if !moved || pack.id != at.Run.ID {
		return at, !moved, nil
	}
	if m.last.Run != at.Run {
		value, ok, err := m.table.Get(ctx, positionKey(at.Run))
		if err != nil {
			return place{}, false, err
		}
		m.last, m.there = place{Run: at.Run}, ok
		if ok {
			m.now = blockmap.DecodePlace(value)
		}
	}
	now = m.now
	now.At += at.At
	return now, m.there, nil
}

// move makes derived files in which all places are where the moves say, and what is to replace `applied`. It is for
// derived files that are as old as the moves. Trees and ranges have no places, and stay.
func (cp *checkpoint) move(m *moves) (*derived.Applied, error) {
	old := cp.old.Applied
	if _, moved := m.packs[old.Position.Pack]; moved {
		return nil, fmt.Errorf("%w: it ends in pack %d, which was rewritten", derived.ErrDamaged, old.Position.Pack)
	}
	for _, dir := range []string{"index", "cores"} {
		if err := smallfile.MakeFolder(cp.files.FS, filepath.Join(cp.files.Dir, dir), 0o755); err != nil {
			return nil, err
		}
	}
	a := &derived.Applied{Position: old.Position, Packs: movedPacks(old.Packs, m), Open: movedOpen(old.Open, m)}
	if err := cp.moveIndex(m); err != nil {
		return nil, err
	}
	for _, ref := range old.Cores {
		number, err := cp.moveCore(ref, m)
		if err != nil {
			return nil, err
		}
		a.Cores = append(a.Cores, derived.CoreRef{Key: ref.Key, Number: number})
	}
	a.Index, a.Next, a.Hidden = cp.tables, cp.next, old.Hidden // of packs that are rewritten nobody recalls any
	return a, cp.syncFolders()
}

func movedPacks(packs []packlog.Position, m *moves) []packlog.Position {
	var now []packlog.Position
	for _, p := range packs {
		if to, ok := m.packs[p.Pack]; ok {
			p = to.now
		}
		if n := len(now); n == 0 || now[n-1] != p {
			now = append(now, p)
		}
	}
	return now
}

// movedOpen leaves out appends of which nothing is left.
func movedOpen(open []derived.OpenAppend, m *moves) []derived.OpenAppend {
	var now []derived.OpenAppend
	for _, o := range open {
		if _, moved := m.packs[o.First.Pack]; moved {
			if o.First = m.first[o.ID]; o.First.IsZero() {
				continue
			}
		}
		now = append(now, o)
	}
	return now
}

func (cp *checkpoint) moveIndex(m *moves) error {
	var refs []derived.TableRef
	for _, ref := range cp.tables {
		t, err := cp.files.Table(cp.files.IndexPath(ref.Number), derived.IndexSchema)
		if err != nil {
			return err
		}
		now, err := cp.moveTable(ref, cp.files.IndexPath, derived.IndexSchema, ref.Rows, movedIndex(cp.ctx, t, m))
		if err != nil {
			return err
		}
		if now.Rows > 0 {
			refs = append(refs, now)
		}
	}
	cp.tables = refs
	return nil
}

// movedRow is a row of a table, and whether it is another one than before.
type movedRow struct {
	key, value []byte // nil: left out
	changed    bool
}

func movedIndex(ctx context.Context, t *table.Table, m *moves) iter.Seq2[movedRow, error] {
	return func(yield func(movedRow, error) bool) {
		var value [blockmap.PlaceSize]byte
		for r, err := range t.Scan(ctx, nil) {
			if err != nil {
				yield(movedRow{}, err)
				return
			}
			at := blockmap.DecodePlace(r.Value)
			now, ok, err := m.find(ctx, at)
			out := movedRow{changed: !ok || now != at}
			if ok {
				out.key, out.value = r.Key, blockmap.AppendPlace(value[:0], now)
			}
			if !yield(out, err) || err != nil {
				return
			}
		}
	}
}

// moveTable writes a table anew if a row of it changes.
func (cp *checkpoint) moveTable(ref derived.TableRef, path func(uint64) string, schema table.Schema, filtered uint64, rows iter.Seq2[movedRow, error]) (derived.TableRef, error) {
	changed := false
	for r, err := range rows {
		if err != nil {
			return ref, err
		}
		if changed = r.changed; changed {
			break
		}
	}
	if !changed {
		return ref, nil
	}
	now, err := cp.merge(path, schema, filtered, func(w *table.Writer) error {
		for r, err := range rows {
			if err != nil {
				return err
			}
			if r.key == nil {
				continue
			}
			if err := w.Add(r.key, r.value); err != nil {
				return err
			}
		}
		return nil
	})
	now.Level = ref.Level
	return now, err
}

// moveCore returns the number of a core's file in which runs are where they are now.
func (cp *checkpoint) moveCore(ref derived.CoreRef, m *moves) (uint64, error) {
	base, err := cp.files.OpenCore(ref)
	if err != nil {
		return 0, err
	}
	b := newCoreBuilder(cp, ref.Key, base)
	defer cp.files.ForgetAll() // there may be many cores, and each has some files
	changed := false
	for i, t := range base.Runs {
		now, err := cp.moveTable(b.file.Runs[i], b.path("runs"), blockmap.RunsSchema, 0, movedRuns(cp.ctx, t, m))
		if err != nil {
			return 0, err
		}
		changed = changed || now != b.file.Runs[i]
		now.Rows = 0
		b.file.Runs[i] = now
	}
	if !changed {
		return ref.Number, nil
	}
	number, err := b.finish()
	b.base, b.tree = nil, nil
	cp.cores[ref.Key] = b
	return number, err
}

func movedRuns(ctx context.Context, t derived.Limited, m *moves) iter.Seq2[movedRow, error] {
	return func(yield func(movedRow, error) bool) {
		var value [8 + blockmap.PlaceSize]byte
		for r, err := range derived.RunRows(ctx, t) {
			if err != nil {
				yield(movedRow{}, err)
				return
			}
			out := movedRow{key: blockmap.Key(r.First)}
			if r.Kind == blockmap.Placed {
				now, ok, err := m.find(ctx, r.Place)
				if err != nil {
					yield(movedRow{}, err)
					return
				}
				out.changed = !ok || now != r.Place
				if r.Place = now; !ok {
					out.key = nil
				}
			}
			out.value = r.AppendValue(value[:0])
			if !yield(out, nil) {
				return
			}
		}
	}
}
