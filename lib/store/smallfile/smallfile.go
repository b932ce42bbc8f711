// Package smallfile reads and replaces the small files beside a store's log. Whenever the power fails, each is there as
// it was written last, or as it was before.
package smallfile

import (
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

// Temporary is the prefix of the names of files that are being written.
const Temporary = ".tmp-"

// ErrTooLong says that a small file is not as it was written: it is never so long.
var ErrTooLong = errors.New("file is too long")

// Read returns a file's content, of up to max bytes.
func Read(fsys packlog.FS, path string, max int64) ([]byte, error) {
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
		return nil, fmt.Errorf("%s: %w: it has %d bytes, the limit is %d", path, ErrTooLong, size, max)
	}
	b := make([]byte, size)
	n, err := file.ReadAt(b, 0)
	if err != nil && !(errors.Is(err, io.EOF) && n == len(b)) {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return b[:n], nil
}

// Replace durably makes data the content of a file: completely or not at all. The folder must exist.
func Replace(fsys packlog.FS, path string, data []byte, perm fs.FileMode) error {
	dir := filepath.Dir(path)
	var random [8]byte
	rand.Read(random[:]) // never fails
	temp := filepath.Join(dir, Temporary+hex.EncodeToString(random[:]))
	if err := Create(fsys, temp, data, perm); err != nil {
		return err
	}
	if err := fsys.Rename(temp, path); err != nil {
		_ = fsys.Remove(temp)
		return fmt.Errorf("replacing %s: %w", path, err)
	}
	return SyncFolder(fsys, dir)
}

// Create writes a new file and syncs it, but not its folder.
func Create(fsys packlog.FS, path string, data []byte, perm fs.FileMode) error {
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

// MakeFolder makes a folder if it does not exist. The caller must sync the parent folder, even if the folder existed:
// whoever made it may have died before doing so.
func MakeFolder(fsys packlog.FS, path string, perm fs.FileMode) error {
	if _, dir, err := fsys.Stat(path); err == nil && dir {
		return nil
	}
	if err := fsys.MkdirAll(path, perm); err != nil {
		return fmt.Errorf("making folder %s: %w", path, err)
	}
	return nil
}

// SyncFolder makes the entries of a folder durable.
func SyncFolder(fsys packlog.FS, path string) error {
	if err := fsys.SyncDir(path); err != nil {
		return fmt.Errorf("syncing folder %s: %w", path, err)
	}
	return nil
}

// RemoveFolder removes a folder that only has files in it, if it exists.
func RemoveFolder(fsys packlog.FS, dir string) error {
	names, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := fsys.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing %s: %w", dir, err)
		}
	}
	if err := fsys.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %s: %w", dir, err)
	}
	return nil
}
