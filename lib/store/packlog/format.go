package packlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// The content of the format file. Version 2 may have records that a program that only knows version 1 cannot read.
const (
	formatText   = "hc-store 1\n"
	formatRaised = "hc-store 2\n"
)

// checkFormat returns fs.ErrNotExist if there is no store.
func (l *Log) checkFormat() error {
	text, err := l.readFormat()
	if err != nil {
		return err
	}
	if !knownFormat(text) {
		return fmt.Errorf("%w: its format is %q, expected %q or %q", ErrNotStore, text, formatText, formatRaised)
	}
	return nil
}

func knownFormat(text string) bool { return text == formatText || text == formatRaised }

func (l *Log) readFormat() (string, error) {
	file, err := l.fs.OpenFile(l.path(formatFile), os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	b := make([]byte, len(formatText)+1)
	n, err := file.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	return string(b[:n]), nil
}

// RaiseFormat makes the store version 2, durably, before the first record is written that version 1 does not have.
func (l *Log) RaiseFormat(ctx context.Context) error {
	if l.raised.Load() {
		return nil
	}
	if err := l.lockAppend(ctx); err != nil {
		return err
	}
	err := l.raiseFormat()
	l.unlockAppend()
	if err != nil {
		return fmt.Errorf("raising the format of store %q: %w", l.dir, err)
	}
	l.raised.Store(true)
	return nil
}

func (l *Log) raiseFormat() error {
	text, err := l.readFormat()
	if err != nil {
		return err
	}
	if text != formatRaised {
		file, err := l.beginFormat(formatRaised)
		if err != nil {
			return err
		}
		if err := l.placeFormat(file, func() error { return nil }); err != nil {
			return err
		}
	}
	return l.fs.SyncDir(l.dir) // even if another process has written the line: it may have died before its sync
}

const formatTemp = formatFile + ".tmp"

// beginFormat writes the format file, under a temporary name.
func (l *Log) beginFormat(text string) (File, error) {
	if err := l.fs.Remove(l.path(formatTemp)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err // a sync of the file that a dead process left may have failed
	}
	return l.beginFile(formatTemp, []byte(text))
}

// placeFormat syncs and closes the format file, calls before, which makes durable what must be there by then, and gives
// the file its name. The caller syncs the folder.
func (l *Log) placeFormat(file File, before func() error) error {
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := before(); err != nil {
		return err
	}
	return l.fs.Rename(l.path(formatTemp), l.path(formatFile))
}
