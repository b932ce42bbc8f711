package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// CheckPrivate returns an error wrapping [ErrNotPrivate], which ends with the command that mends it, if others than
// the user of this process can read or replace the file at path. info is what an open file or os.Stat says of it. Only
// a regular file in a folder has a mode that means something: not what a descriptor is, which somebody opened for us.
func CheckPrivate(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return nil
	}
	if err := checkOwner(path, info); err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w: %q has mode %04o, so others may have used it: chmod 600 %s", ErrNotPrivate, path, mode, quote(path))
	}
	// The folder of the file itself, where path is a link to it.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	return checkFolder(filepath.Dir(real))
}

func checkFolder(folder string) error {
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	if err := checkOwner(folder, info); err != nil {
		return err
	}
	// In a sticky one, such as /tmp, only the owner of a file can replace it.
	if mode := info.Mode(); mode.Perm()&0o022 != 0 && mode&fs.ModeSticky == 0 {
		return fmt.Errorf("%w: its folder %q has mode %04o, so others can replace it: chmod go-w %s", ErrNotPrivate, folder, mode.Perm(), quote(folder))
	}
	return nil
}

// checkOwner takes root's for everybody's: nothing is hidden from root.
func checkOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	own := os.Geteuid()
	if !ok || stat.Uid == 0 || int(stat.Uid) == own {
		return nil
	}
	return fmt.Errorf("%w: %q belongs to user %d, not to you: chown %d %s", ErrNotPrivate, path, stat.Uid, own, quote(path))
}

// quote writes a path as a shell takes it.
func quote(path string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@%,:="
	if path != "" && path[0] != '-' && strings.Trim(path, plain) == "" {
		return path
	}
	if strings.HasPrefix(path, "-") {
		path = "./" + path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// WriteNew writes a file that only its owner can read, durably. It must not be there yet: then the error wraps
// fs.ErrExist.
func WriteNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		_ = os.Remove(path)
	}
	return err
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
