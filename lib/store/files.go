package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"hc/lib/store/packlog"
)

// temporary is how names of files begin that are being written.
const temporary = ".tmp-"

// readSmall returns a file's bytes, if there are at most max.
func readSmall(fsys packlog.FS, path string, max int64) ([]byte, error) {
	file, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	if size > max {
		return nil, fmt.Errorf("%s: file has %d bytes, the limit is %d", path, size, max)
	}
	b := make([]byte, size)
	n, err := file.ReadAt(b, 0)
	if err != nil && !(errors.Is(err, io.EOF) && n == len(b)) {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return b[:n], nil
}

// replaceSmall makes data the content of a file, durably: whole or not at all. The folder must be there.
func replaceSmall(fsys packlog.FS, path string, data []byte, perm fs.FileMode) error {
	dir := filepath.Dir(path)
	var random [8]byte
	rand.Read(random[:]) // never fails
	temp := filepath.Join(dir, temporary+hex.EncodeToString(random[:]))
	if err := writeSynced(fsys, temp, data, perm); err != nil {
		return err
	}
	if err := fsys.Rename(temp, path); err != nil {
		_ = fsys.Remove(temp)
		return fmt.Errorf("replacing %s: %w", path, err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("syncing folder %s: %w", dir, err)
	}
	return nil
}

// writeSynced writes a new file and syncs it; not its folder.
func writeSynced(fsys packlog.FS, path string, data []byte, perm fs.FileMode) error {
	file, err := fsys.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	_, err = file.WriteAt(data, 0)
	if err == nil {
		err = file.Sync()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		_ = fsys.Remove(path)
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// makeFolder makes a folder and makes its entry in the one above durable.
func makeFolder(fsys packlog.FS, path string, perm fs.FileMode) error {
	if _, dir, err := fsys.Stat(path); err == nil && dir {
		return nil
	}
	if err := fsys.MkdirAll(path, perm); err != nil {
		return fmt.Errorf("making folder %s: %w", path, err)
	}
	if err := fsys.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("syncing folder %s: %w", filepath.Dir(path), err)
	}
	return nil
}

// try calls fn again as long as it fails since a file that was named to it is gone: somebody replaced what names it.
func try(ctx context.Context, fn func() error) error {
	const times = 8
	var err error
	for range times {
		if err = fn(); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, packlog.ErrOvertaken) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return err
}
