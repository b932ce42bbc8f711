package packlog

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
)

// Sweep removes what processes that died, or were interrupted, left among the packs: temporary files, packs that newer
// ones replace, void ends of closed packs, and zeros ahead. Only one process at a time may sweep or rewrite. It returns
// the bytes freed.
//
// It needs almost no room: that may be exactly what fills the disk.
func (l *Log) Sweep(ctx context.Context) (freed uint64, err error) {
	if freed, err = l.sweepRewrites(); err != nil {
		return freed, err
	}
	err = l.asWriter(ctx, func() error {
		for _, sweep := range []func(context.Context) (uint64, error){l.sweepAhead, l.cutClosed, l.sweepTidied} {
			n, err := sweep(ctx)
			if freed += n; err != nil {
				return err
			}
		}
		return nil
	})
	return freed, err
}

// CloseVoid voids for good what was written at the log's end and never committed, if there is any, so that Sweep cuts
// it off. The caller holds the lock "use" alone, so that no append is under way.
func (l *Log) CloseVoid(ctx context.Context) (closed bool, err error) {
	err = l.asWriter(ctx, func() error {
		m := l.marked
		if m.End == m.Readable {
			return nil
		}
		m.End = m.Readable
		if err := l.raise(m); err != nil { // first: a process that dies on the way must leave behind what makes others recover
			return err
		}
		closed = true
		if m.Synced != m.Readable && l.syncReadable() {
			m.Synced = m.Readable
			if err := l.raise(m); err != nil {
				return err
			}
		}
		return l.recover(ctx)
	})
	return closed, err
}

// syncReadable syncs what was committed, so that a recovery leaves it where it is: a full disk may have no room for
// copies. It reports whether that succeeded; the pack is longer than the mark's end, so others notice if it did not.
func (l *Log) syncReadable() bool {
	err := l.tail.file.Sync()
	l.tail.doubtful = err != nil
	return err == nil
}

// sweepRewrites removes packs left by rewrites. Only the sweeper makes these, so it needs no lock for that, nor a
// recovery.
func (l *Log) sweepRewrites() (freed uint64, err error) {
	names, err := l.fs.ReadDir(l.path(packsDir))
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if !strings.HasSuffix(name, rewriteSuffix) {
			continue
		}
		size, _, _ := l.fs.Stat(l.path(packsDir, name))
		if err := l.remove(name); err != nil {
			return freed, err
		}
		freed += uint64(size)
	}
	return freed, nil
}

// sweepAhead cuts off zeros ahead: the process that wrote them may have died.
func (l *Log) sweepAhead(context.Context) (freed uint64, err error) {
	if t := l.tail; t.size > t.end {
		freed = t.size - t.end
		err = t.cutAhead()
	}
	return freed, err
}

// cutClosed cuts off what closes void: if a power loss brings any of it back, it is still void. The packs that close it
// must stay.
func (l *Log) cutClosed(ctx context.Context) (freed uint64, err error) {
	c, err := l.load(ctx)
	if err != nil {
		return 0, err
	}
	for i := range c.extents {
		e := &c.extents[i]
		if e.bad != nil || !e.closed {
			continue
		}
		size, _, err := l.fs.Stat(e.path)
		if err != nil {
			return freed, err
		}
		if uint64(size) <= e.limit {
			continue
		}
		if err := l.fs.SyncDir(l.path(packsDir)); err != nil {
			return freed, err
		}
		if err := l.cutPack(e); err != nil {
			return freed, err
		}
		freed += uint64(size) - e.limit
	}
	return freed, nil
}

func (l *Log) cutPack(e *extent) error {
	file, err := l.fs.OpenFile(e.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(int64(e.limit)), file.Close())
}

func (l *Log) sweepTidied(ctx context.Context) (freed uint64, err error) {
	rubbish, err := l.rubbish(ctx)
	if err != nil || len(rubbish) == 0 {
		return 0, err
	}
	if err := l.fs.SyncDir(l.path(packsDir)); err != nil { // the packs that replace them must stay
		return 0, err
	}
	for _, name := range rubbish {
		size, _, _ := l.fs.Stat(l.path(packsDir, name))
		if err := l.remove(name); err != nil {
			return freed, err
		}
		freed += uint64(size)
	}
	if err := l.anotherFolder(); err != nil {
		return freed, err
	}
	return freed, l.loadLocked(ctx)
}

// sweepPacks removes old generations. The folder was synced since the new ones came.
func (l *Log) sweepPacks(ctx context.Context) error {
	rubbish, err := l.rubbish(ctx)
	if err != nil {
		return err
	}
	for _, name := range rubbish {
		if !strings.HasSuffix(name, packSuffix) {
			continue
		}
		if err := l.remove(name); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) remove(name string) error {
	if err := l.fs.Remove(l.path(packsDir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// rubbish lists temporary files, and packs that a newer one with a good header replaces.
func (l *Log) rubbish(ctx context.Context) ([]string, error) {
	c, err := l.load(ctx)
	if err != nil {
		return nil, err
	}
	names, err := l.fs.ReadDir(l.path(packsDir))
	if err != nil {
		return nil, err
	}
	var rubbish []string
	for _, name := range names {
		if name == newPack || strings.HasSuffix(name, rewriteSuffix) {
			rubbish = append(rubbish, name)
			continue
		}
		sequence, _, ok := parsePackName(name)
		if !ok {
			continue
		}
		if e := c.find(sequence); e != nil && e.bad == nil && e.name != name && e.name != "" {
			rubbish = append(rubbish, name)
		}
	}
	return rubbish, nil
}
