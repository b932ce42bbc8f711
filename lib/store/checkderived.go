package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/smallfile"
	"hc/lib/store/table"
	"hc/lib/store/treetable"
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
	raw, err := smallfile.Read(c.fs, path, maxAppliedFile)
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
	raw, readErr := smallfile.Read(c.fs, filepath.Join(c.dir, appliedName), maxAppliedFile)
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
	raw, err := smallfile.Read(d.checker.fs, path, maxCoreFile)
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
		if err := d.table(files.corePath(ref.key, t.number, "tree"), treetable.Schema); err != nil {
			return err
		}
	}
	for _, t := range file.runs {
		if err := d.table(files.corePath(ref.key, t.number, "runs"), blockmap.RunsSchema); err != nil {
			return err
		}
	}
	if file.rangesFile == 0 {
		return nil
	}
	return d.table(files.corePath(ref.key, file.rangesFile, "ranges"), blockmap.RangesSchema)
}
