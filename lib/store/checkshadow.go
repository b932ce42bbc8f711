package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"hc/lib/hash"
	"hc/lib/store/checkpoint"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/runs"
)

// The shadow is what the log says, and nothing else: derived files of its own, made by a checkpoint that begins at the
// log's first record, in a folder beside the store. For appended blocks it has no tree but the roots of their spans:
// coreCheck computes the rest from the blocks themselves.

// shadowRows is how many rows the shadow gathers before they become a table. It is fewer than for a checkpoint, which
// is short while a check is long, and they are most of the memory that a check uses. Tables are merged as they come, so
// there are never many.
const shadowRows = 8 << 10

// checkDerived reads the store's derived files, builds the shadow up to the same position, and compares the two.
func (c *Checker) checkDerived(ctx context.Context) error {
	if err := c.newShadow(); err != nil {
		return err
	}
	d := derivedCheck{checker: c, ctx: ctx}
	a, err := d.applied()
	if err != nil || a == nil {
		return err
	}
	if c.view.Readable.Less(a.Position) {
		return fmt.Errorf("%w: a checkpoint was made", packlog.ErrMoved)
	}
	if err := c.extendShadow(ctx, a.Position); err != nil {
		return err
	}
	return d.compare(a)
}

// finishShadow builds the rest of the shadow.
func (c *Checker) finishShadow(ctx context.Context) error {
	return c.extendShadow(ctx, c.view.Readable)
}

// newShadow begins an empty shadow.
func (c *Checker) newShadow() error {
	if c.scratch == "" && c.options.scratchFS == nil {
		dir, err := os.MkdirTemp(c.options.Scratch, "hc-fsck-")
		if err != nil {
			return fmt.Errorf("making a folder for temporary files: %w", err)
		}
		c.scratch = dir
	}
	if c.shadow != nil {
		if err := c.shadow.files.Close(); err != nil {
			return err
		}
	}
	fsys := scratchFS{packlog.OS()}
	if c.options.scratchFS != nil {
		fsys = scratchFS{c.options.scratchFS}
	}
	c.shadows++
	dir := filepath.Join(c.scratch, strconv.Itoa(c.shadows))
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	options := c.store.options
	options.tuning.bufferRows = min(options.tuning.bufferRows, shadowRows)
	s := &Store{dir: dir, options: options, fs: c.fs, log: c.store.log}
	s.files = derived.NewFiles(fsys, dir)
	s.reader = runs.NewReader(s.log, func(ctx context.Context, leaf hash.Digest) (place, error) {
		at, ok, err := c.locate(ctx, leaf)
		if err == nil && !ok {
			err = fmt.Errorf("%w: no block has leaf hash %v", ErrBlockMissing, leaf)
		}
		return at, err
	})
	c.shadow = s
	return nil
}

// extendShadow takes in the log up to position to.
func (c *Checker) extendShadow(ctx context.Context, to packlog.Position) error {
	a, err := c.shadowApplied()
	if err != nil {
		return err
	}
	if !a.Position.Less(to) {
		return nil
	}
	cp, err := c.shadowCheckpoint(ctx, a, to)
	if err != nil {
		return err
	}
	if err := cp.Run(nil); err != nil {
		cp.Abort()
		return err
	}
	return nil
}

// shadowCheckpoint returns the checkpoint that takes the shadow from its position to another one.
func (c *Checker) shadowCheckpoint(ctx context.Context, a *derived.Applied, to packlog.Position) (*checkpoint.Writer, error) {
	s := c.shadow
	if a.Next == 0 {
		a.Next = 1
	}
	old, err := derived.Open(s.files, a)
	if err != nil {
		return nil, err
	}
	view := c.view
	view.Synced = to
	source := s.checkpointSource()
	source.BadRecord, source.Lost = c.unreadable, c.missing
	return checkpoint.New(ctx, source, old, view), nil
}

// unreadable reports records that the replay skips.
func (c *Checker) unreadable(err error) {
	if !c.malformed[err.Error()] {
		c.malformed[err.Error()] = true
		c.found(Finding{Harm: HarmData, What: err.Error(), Next: "report it, with the version of hc that wrote it"})
	}
}

func (c *Checker) shadowApplied() (*derived.Applied, error) {
	a, err := derived.LoadApplied(c.shadow.files.FS, c.shadow.files.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &derived.Applied{}, nil
	}
	return a, err
}

// openShadow opens the derived files of the shadow.
func (c *Checker) openShadow() (*derived.Tables, error) {
	a, err := c.shadowApplied()
	if err != nil {
		return nil, err
	}
	return derived.Open(c.shadow.files, a)
}

// locate returns where the log has a readable copy of a block.
func (c *Checker) locate(ctx context.Context, leaf hash.Digest) (at place, ok bool, err error) {
	d, err := c.openShadow()
	if err != nil {
		return at, false, err
	}
	err = d.Index.Places(ctx, leaf, func(p place) bool {
		if c.badRuns[p.Run] == nil && c.store.log.Current(p.Run) {
			at, ok = p, true
		}
		return !ok
	})
	return at, ok, err
}

// scratchFS syncs nothing: its files do not outlive the checker.
type scratchFS struct{ packlog.FS }

func (f scratchFS) OpenFile(name string, flag int, perm fs.FileMode) (packlog.File, error) {
	file, err := f.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return scratchFile{file}, nil
}

func (scratchFS) SyncDir(string) error { return nil }

type scratchFile struct{ packlog.File }

func (scratchFile) Sync() error                         { return nil }
func (scratchFile) StartWriteback(offset, length int64) {}
