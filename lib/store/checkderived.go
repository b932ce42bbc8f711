package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/table"
	"hc/lib/store/treetable"
)

// maxHeldTables is how many of the store's tables stay open after they were read, so that a checkpoint of another
// process does not remove them before the cores are compared.
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

// fault reports a derived file that is damaged or wrong.
func (d *derivedCheck) fault(path string, offset int64, err error) {
	d.bad = true
	d.checker.derived = true
	d.checker.found(Finding{Harm: HarmDerived, File: d.name(path), Offset: uint64(offset), What: err.Error(), Next: rebuilds})
}

// mismatch reports a file that is whole, but contradicts the log.
func (d *derivedCheck) mismatch(path, format string, args ...any) {
	d.fault(path, 0, fmt.Errorf("it contradicts the log: "+format, args...))
}

// applied reads all derived files. It returns nil if there is nothing to compare: there are none, they are stale, or
// they cannot be read.
func (d *derivedCheck) applied() (*derived.Applied, error) {
	c := d.checker
	path := filepath.Join(c.dir, derived.AppliedName)
	a, err := derived.LoadApplied(c.fs, c.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, derived.ErrDamaged):
		d.fault(path, 0, err)
		return nil, nil
	case err != nil:
		return nil, err
	}
	for _, p := range a.Packs {
		if !c.store.log.Current(p) {
			return nil, nil // a pack was rewritten: it is all built again, by that rule
		}
	}
	for _, ref := range a.Index {
		if err := d.table(c.store.files.IndexPath(ref.Number), derived.IndexSchema); err != nil {
			return nil, d.moved(a, err)
		}
	}
	for _, ref := range a.Cores {
		if err := d.core(ref); err != nil {
			return nil, d.moved(a, err)
		}
	}
	if d.bad {
		return nil, nil
	}
	return a, nil
}

// moved distinguishes a file that is missing from one that a checkpoint of another process has removed.
func (d *derivedCheck) moved(a *derived.Applied, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c := d.checker
	now, readErr := derived.LoadApplied(c.fs, c.dir)
	if readErr != nil || !bytes.Equal(now.Encode(), a.Encode()) {
		return fmt.Errorf("%w: a checkpoint was made", packlog.ErrMoved)
	}
	var path *fs.PathError
	if !errors.As(err, &path) {
		return err
	}
	d.fault(path.Path, 0, errors.New("it is missing"))
	return nil
}

// table reads all of a table.
func (d *derivedCheck) table(path string, schema table.Schema) error {
	t, err := d.checker.store.files.Table(path, schema)
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
	if d.checker.store.files.Held() > maxHeldTables {
		d.checker.store.files.Discard(path)
	}
	return err
}

// core reads the files of a core.
func (d *derivedCheck) core(ref derived.CoreRef) error {
	files := d.checker.store.files
	file, err := files.ReadCore(ref)
	if errors.Is(err, derived.ErrDamaged) {
		d.fault(files.CorePath(ref.Key, ref.Number, "core"), 0, err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, t := range file.Tree {
		if err := d.table(files.CorePath(ref.Key, t.Number, "tree"), treetable.Schema); err != nil {
			return err
		}
	}
	for _, t := range file.Runs {
		if err := d.table(files.CorePath(ref.Key, t.Number, "runs"), blockmap.RunsSchema); err != nil {
			return err
		}
	}
	if file.RangesFile == 0 {
		return nil
	}
	return d.table(files.CorePath(ref.Key, file.RangesFile, "ranges"), blockmap.RangesSchema)
}
