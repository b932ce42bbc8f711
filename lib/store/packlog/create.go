package packlog

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

const (
	dirPerm  = 0o777
	filePerm = 0o666
)

func (l *Log) open(ctx context.Context, create bool) error {
	err := l.checkFormat()
	if errors.Is(err, fs.ErrNotExist) {
		if !create {
			return ErrNoStore
		}
		if err = l.create(ctx); err == nil {
			err = l.checkFormat()
		}
	}
	if err != nil {
		return err
	}
	if _, err = l.openMark(); err != nil && !(l.readOnly && errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	l.there.Store(true)
	return nil
}

// openLate opens an existing store; if there is none, it checks whether one could be made.
func (l *Log) openLate(ctx context.Context, create bool) error {
	err := l.open(ctx, false)
	if !create || !errors.Is(err, ErrNoStore) {
		return err
	}
	if err := l.checkEmpty(); err != nil {
		return err
	}
	at := filepath.Clean(l.dir)
	for at != filepath.Dir(at) {
		if _, _, err := l.fs.Stat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		at = filepath.Dir(at)
	}
	return l.fs.Writable(at) // an error now is better than after hours of input
}

// Make makes a store that is to be made late, as every lock, append and Watch does. It is for callers that write beside
// the log.
func (l *Log) Make(ctx context.Context) error {
	if l.there.Load() {
		return nil
	}
	l.making.Lock()
	defer l.making.Unlock()
	if l.there.Load() {
		return nil
	}
	if err := l.open(ctx, true); err != nil {
		return fmt.Errorf("making store %q: %w", l.dir, err)
	}
	return nil
}

// notYet reports whether a store that is to be made late has not been made yet, not by others either.
func (l *Log) notYet() bool {
	return !l.there.Load() && errors.Is(l.checkFormat(), fs.ErrNotExist)
}

// checkEmpty refuses a folder that holds anything but parts of an unfinished store.
func (l *Log) checkEmpty() error {
	names, err := l.fs.ReadDir(l.dir)
	if err != nil {
		return nil // it will be made
	}
	for _, name := range names {
		if !slices.Contains([]string{packsDir, locksDir, markFile, formatFile, formatFile + ".tmp"}, name) {
			return fmt.Errorf("%w: the folder holds other things, such as %q", ErrNotStore, name)
		}
	}
	return nil
}

// create makes a store in an empty folder, or continues where another process died doing so. The format file comes once
// everything else is there. The mark is valid once all folders are synced: a process that finds it valid can rely on
// that, and one that does not recovers, which syncs them.
func (l *Log) create(ctx context.Context) error {
	if err := l.checkEmpty(); err != nil {
		return err
	}
	for _, dir := range []string{packsDir, locksDir} {
		if err := l.fs.MkdirAll(l.path(dir), dirPerm); err != nil {
			return err
		}
	}
	if err := l.lockAppend(ctx); err != nil {
		return err
	}
	defer l.unlockAppend()
	if err := l.checkFormat(); !errors.Is(err, fs.ErrNotExist) {
		return err // somebody else was faster, or it is not valid
	}
	// Both files are created before the first sync, so that it writes most of them to the disk, too, and their own
	// syncs have little to do.
	mark, err := l.beginFile(markFile, nil)
	if err != nil {
		return err
	}
	defer mark.Close() // synced already
	format, err := l.beginFormat(formatText)
	if err != nil {
		return err
	}
	first, err := l.firstPack()
	if err != nil {
		return errors.Join(err, format.Close())
	}
	if err := mark.Sync(); err != nil {
		return errors.Join(err, format.Close())
	}
	if err := l.placeFormat(format, l.syncFolders); err != nil { // a disk may keep the format's name, and lose the others
		return err
	}
	if err := l.syncFolders(); err != nil {
		return err
	}
	return l.writeFile(markFile, encodeMark(Mark{Boot: l.boot, Synced: first, Readable: first, End: first, Folder: first.ID}))
}

// syncFolders syncs the store's folder and its parents, any of which may be new.
func (l *Log) syncFolders() error {
	if err := l.fs.SyncDir(l.dir); err != nil {
		return err
	}
	for dir := filepath.Clean(l.dir); dir != filepath.Dir(dir); {
		dir = filepath.Dir(dir)
		if err := l.fs.SyncDir(dir); err != nil && !cannotSync(err) {
			return err
		}
	}
	return nil
}

// cannotSync distinguishes a folder that this process cannot have changed, or that needs no sync, from one whose sync
// failed.
func cannotSync(err error) bool {
	for _, reason := range []error{fs.ErrPermission, syscall.EROFS, syscall.EINVAL, syscall.ENOTSUP} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// firstPack makes the first pack, again if need be, and returns where its records begin. Nobody can have written to one
// that is there: the format file is synced before the first record.
func (l *Log) firstPack() (Position, error) {
	id, err := randomID()
	if err != nil {
		return Position{}, err
	}
	info := packInfo{id: id, sequence: 1, through: 1}
	start := Position{Pack: 1, Offset: packHeader, ID: id}
	info.synced = start
	file, err := l.makePack(info)
	if err != nil {
		return Position{}, err
	}
	return start, errors.Join(l.publishPack(info), file.Close())
}

// writeFile writes a whole small file and syncs it.
func (l *Log) writeFile(name string, b []byte) error {
	file, err := l.beginFile(name, b)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// beginFile writes a whole small file, which the caller must sync.
func (l *Log) beginFile(name string, b []byte) (File, error) {
	file, err := l.fs.OpenFile(l.path(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, filePerm)
	if err != nil || len(b) == 0 {
		return file, err
	}
	if _, err := file.WriteAt(b, 0); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	file.StartWriteback(0, int64(len(b)))
	return file, nil
}

// newPackFile opens a fresh file for a pack. A file that a dead process left there is removed, not overwritten: a sync
// of it may have failed.
func (l *Log) newPackFile() (File, error) {
	path := l.path(packsDir, newPack)
	if err := l.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return l.fs.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, filePerm)
}

// syncTries is how often a new pack is written before its failing syncs are an error.
const syncTries = 3

// makePack makes an empty pack under its temporary name, synced.
func (l *Log) makePack(info packInfo) (File, error) {
	var errs []error
	for range syncTries {
		file, err := l.newPackFile()
		if err != nil {
			return nil, err
		}
		if _, err := file.WriteAt(encodePackHeader(info), 0); err != nil {
			return nil, errors.Join(err, file.Close())
		}
		err = file.Sync()
		if err == nil {
			return file, nil
		}
		errs = append(errs, err, file.Close())
	}
	return nil, errors.Join(errs...)
}

// publishPack gives a synced pack its name.
func (l *Log) publishPack(info packInfo) error {
	if err := l.fs.Rename(l.path(packsDir, newPack), l.path(packsDir, info.name())); err != nil {
		return err
	}
	return l.fs.SyncDir(l.path(packsDir))
}

func randomID() (uint64, error) {
	for {
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			return 0, err
		}
		if id := binary.LittleEndian.Uint64(b[:]); id != 0 {
			return id, nil
		}
	}
}
