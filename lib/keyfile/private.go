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

// CheckPrivate returns an error wrapping [ErrNotPrivate], which ends with the command that corrects it, if others
// than the user of this process can read or replace the file at path. info is the result of Stat for it. Only regular
// files in a folder are checked: the mode of a descriptor that the caller opened for us means nothing.
func CheckPrivate(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return nil
	}
	if err := checkFile(path, info.Mode(), ownerOf(info), os.Geteuid()); err != nil {
		return err
	}
	// The folder of the file itself, if path is a link to it.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	folder := filepath.Dir(real)
	if info, err = os.Stat(folder); err != nil {
		return err
	}
	return checkFolder(folder, info.Mode(), ownerOf(info), os.Geteuid())
}

const root = 0 // nothing is hidden from root, so a file of root's is private, too

func checkFile(path string, mode fs.FileMode, owner, own int) error {
	if owner != root && owner != own {
		return notOwner(path, owner, own)
	}
	if mode.Perm()&0o077 == 0 {
		return nil
	}
	mend := "chmod 600 " + quote(path)
	if owner != own { // else we could no longer read it
		mend = fmt.Sprintf("chown %d %s && %s", own, quote(path), mend)
	}
	return fmt.Errorf("%w: %q has mode %04o, so others may have used it: %s", ErrNotPrivate, path, mode.Perm(), mend)
}

func checkFolder(folder string, mode fs.FileMode, owner, own int) error {
	if owner != root && owner != own {
		return notOwner(folder, owner, own)
	}
	// In a sticky folder, such as /tmp, only the owner of a file can replace it.
	if mode.Perm()&0o022 == 0 || mode&fs.ModeSticky != 0 {
		return nil
	}
	return fmt.Errorf("%w: its folder %q has mode %04o, so others can replace it: chmod go-w %s", ErrNotPrivate, folder, mode.Perm(), quote(folder))
}

func notOwner(path string, owner, own int) error {
	return fmt.Errorf("%w: %q belongs to user %d, not to you: chown %d %s", ErrNotPrivate, path, owner, own, quote(path))
}

// ownerOf returns the user that a file belongs to; on systems without users, the current one.
func ownerOf(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return os.Geteuid()
}

// quote quotes a path for a shell.
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

// WriteNew writes a file that only its owner can read, durably. The file must not exist yet: then the error wraps
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
