package packlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// MendFormat writes the format file, with the newest version, since the store may have records of that. It does so only
// if the mark, or else the last pack's header, is one of this format: later formats have another mark, see FORMAT.md,
// Versions.
func MendFormat(fsys FS, dir string) error {
	l := newLog(dir, Options{FS: fsys})
	known, err := l.knowsFormat()
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("mending %q: %w: neither the mark nor the last pack's header shows that it has this format: use the hc that wrote the store; if that was this one, write the line %q into the file, and try again",
			l.path(formatFile), ErrNotStore, formatRaised[:len(formatRaised)-1])
	}
	return l.writeFile(formatFile, []byte(formatRaised))
}

// knowsFormat reports whether anything besides the format file shows that the store has this format.
func (l *Log) knowsFormat() (bool, error) {
	b, err := l.readStart(markFile, len(markMagic))
	if err := ignoreGone(err); err != nil {
		return false, err
	}
	const name = len("hcmark")
	switch {
	case string(b) == markMagic: // even if the rest of it is damaged
		return true, nil
	case len(b) > name && string(b[:name]) == markMagic[:name]: // of another format, or just as unusable
		return false, nil
	}
	names, err := l.fs.ReadDir(l.path(packsDir))
	if err != nil {
		return false, err
	}
	heads := newestPacks(names)
	if len(heads) == 0 {
		return false, nil
	}
	last := &heads[len(heads)-1]
	err = l.readHead(last)
	return err == nil && last.bad == nil, err
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// MendMark recovers if the mark is not valid, as the next writer would: without it the last commits are not known to be
// synced.
func (l *Log) MendMark(ctx context.Context) error {
	if l.notYet() {
		return nil
	}
	if _, err := l.Mark(ctx); !errors.Is(err, errMark) {
		return err
	}
	return l.asWriter(ctx, func() error { return nil })
}

// Mend does what the next writer would: it recovers if that is needed, which writes a new mark. Then it cuts off what
// follows the mark, and rewrites copies of pack headers that are not valid from the good ones beside them.
func (l *Log) Mend(ctx context.Context) error {
	if err := l.fs.MkdirAll(l.path(locksDir), dirPerm); err != nil {
		return err
	}
	if _, err := l.Begin(ctx); err != nil {
		return err
	}
	if err := l.lockAppend(ctx); err != nil {
		return err
	}
	defer l.unlockAppend()
	if err := l.cutMark(); err != nil {
		return err
	}
	l.forget()
	l.mu.Lock()
	clear(l.headers) // a header read before it was damaged would hide the damage
	l.mu.Unlock()
	c, err := l.load(ctx)
	if err != nil {
		return err
	}
	for i := range c.extents {
		e := &c.extents[i]
		if e.bad != nil || e.damage == nil {
			continue
		}
		if err := l.mendHeader(e, i == len(c.extents)-1); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("mending the header of pack %s: %w", e.name, err)
		}
	}
	l.mu.Lock()
	clear(l.headers)
	l.mu.Unlock()
	_, err = l.load(ctx)
	return err
}

func (l *Log) cutMark() error {
	size, err := l.mark.Size()
	if err != nil || size <= markSize {
		return err
	}
	l.markDirty = true
	return l.mark.Truncate(markSize)
}

// mendHeader writes only the sector of the bad copy, so that nothing can happen to the good one. It does not sync the
// last pack: a sync there could take an error that is another process's, whose next commit would then miss it.
func (l *Log) mendHeader(e *extent, last bool) error {
	file, err := l.fs.OpenFile(l.path(packsDir, e.name), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	b := make([]byte, packHeader)
	if err := readFull(file, b, 0); err != nil && !isBadSector(err) {
		return err
	}
	good := encodePackHeader(e.info)
	for offset := 0; offset < packHeader; offset += packHeaderCopy {
		part := good[offset:][:packHeaderCopy]
		if bytes.Equal(b[offset:][:packHeaderCopy], part) {
			continue
		}
		if _, err := file.WriteAt(part, int64(offset)); err != nil {
			return err
		}
	}
	if last {
		return nil
	}
	return file.Sync()
}
