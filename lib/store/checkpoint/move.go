package checkpoint

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"

	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/runs"
	"hc/lib/store/smallfile"
	"hc/lib/store/table"
)

// Moves says where the records of rewritten packs are now.
type Moves struct {
	Packs map[uint64]MovedPack                                                                 // by their old sequences
	First map[packlog.AppendID]packlog.Position                                                // where open appends begin now; zero: nothing is left
	Find  func(ctx context.Context, run packlog.Position) (now runs.Place, ok bool, err error) // of a run in them; ok is false if it is gone

	last, now runs.Place // of the last look-up
	there     bool
}

// MovedPack is a pack that was rewritten.
type MovedPack struct {
	ID  uint64           // of the old one
	Now packlog.Position // where the new one begins
}

// place returns where a block is; ok is false if it is gone.
func (m *Moves) place(ctx context.Context, at runs.Place) (now runs.Place, ok bool, err error) {
	pack, moved := m.Packs[at.Run.Pack]
	if !moved || pack.ID != at.Run.ID {
		return at, !moved, nil
	}
	if m.last.Run != at.Run {
		if now, ok, err = m.Find(ctx, at.Run); err != nil {
			return runs.Place{}, false, err
		}
		m.last, m.now, m.there = runs.Place{Run: at.Run}, now, ok
	}
	now = m.now
	now.At += at.At
	return now, m.there, nil
}

// Move makes derived files with all places as the moves say, and returns the argument for Replace. The derived files
// that it begins from must be as old as the moves. Trees and ranges have no places, and stay.
func (cp *Writer) Move(m *Moves) (*derived.Applied, error) {
	old := cp.old.Applied
	if _, moved := m.Packs[old.Position.Pack]; moved {
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
	a.Index, a.Next, a.Hidden = cp.tables, cp.next, old.Hidden // nobody recalls hidden places of rewritten packs
	return a, cp.syncFolders()
}

func movedPacks(packs []packlog.Position, m *Moves) []packlog.Position {
	var now []packlog.Position
	for _, p := range packs {
		if to, ok := m.Packs[p.Pack]; ok {
			p = to.Now
		}
		if n := len(now); n == 0 || now[n-1] != p {
			now = append(now, p)
		}
	}
	return now
}

// movedOpen leaves out appends of which nothing is left.
func movedOpen(open []derived.OpenAppend, m *Moves) []derived.OpenAppend {
	var now []derived.OpenAppend
	for _, o := range open {
		if _, moved := m.Packs[o.First.Pack]; moved {
			if o.First = m.First[o.ID]; o.First.IsZero() {
				continue
			}
		}
		now = append(now, o)
	}
	return now
}

func (cp *Writer) moveIndex(m *Moves) error {
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

// movedRow is a row of a table, and whether it differs from before.
type movedRow struct {
	key, value []byte // nil: left out
	changed    bool
}

func movedIndex(ctx context.Context, t *table.Table, m *Moves) iter.Seq2[movedRow, error] {
	return func(yield func(movedRow, error) bool) {
		var value [blockmap.PlaceSize]byte
		for r, err := range t.Scan(ctx, nil) {
			if err != nil {
				yield(movedRow{}, err)
				return
			}
			at := blockmap.DecodePlace(r.Value)
			now, ok, err := m.place(ctx, at)
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

// moveTable rewrites a table if any of its rows changes.
func (cp *Writer) moveTable(ref derived.TableRef, path func(uint64) string, schema table.Schema, filtered uint64, rows iter.Seq2[movedRow, error]) (derived.TableRef, error) {
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

// moveCore returns the number of a core's file with the runs' new places.
func (cp *Writer) moveCore(ref derived.CoreRef, m *Moves) (uint64, error) {
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

func movedRuns(ctx context.Context, t derived.Limited, m *Moves) iter.Seq2[movedRow, error] {
	return func(yield func(movedRow, error) bool) {
		var value [8 + blockmap.PlaceSize]byte
		for r, err := range derived.RunRows(ctx, t) {
			if err != nil {
				yield(movedRow{}, err)
				return
			}
			out := movedRow{key: blockmap.Key(r.First)}
			if r.Kind == blockmap.Placed {
				now, ok, err := m.place(ctx, r.Place)
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
