//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package folder

import (
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lstat looks at what a folder has under a name. dir is root, opened for reading.
func lstat(_ *os.Root, dir *os.File, name string) (fileStat, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fileStat{}, &fs.PathError{Op: "lstat", Path: name, Err: err}
		}
		return unixStat(&st), nil
	}
}

// fstat looks at an open file.
func fstat(file *os.File) (fileStat, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstat(int(file.Fd()), &st)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fileStat{}, &fs.PathError{Op: "stat", Path: file.Name(), Err: err}
		}
		return unixStat(&st), nil
	}
}

func unixStat(st *unix.Stat_t) fileStat {
	mtime, far := nanoseconds(time.Unix(st.Mtim.Unix()))
	return fileStat{
		mode: unixMode(uint32(st.Mode)), far: far,
		size: st.Size, mtime: mtime, ctime: st.Ctim.Nano(),
		inode: uint64(st.Ino), device: uint64(st.Dev),
	}
}

// unixTypes are the types of files other than folders and plain files.
var unixTypes = map[uint32]fs.FileMode{
	unix.S_IFLNK: fs.ModeSymlink, unix.S_IFIFO: fs.ModeNamedPipe, unix.S_IFSOCK: fs.ModeSocket,
	unix.S_IFBLK: fs.ModeDevice, unix.S_IFCHR: fs.ModeDevice | fs.ModeCharDevice,
}

func unixMode(mode uint32) fs.FileMode {
	perm := fs.FileMode(mode & 0o777)
	switch kind := mode & unix.S_IFMT; kind {
	case unix.S_IFREG:
		return perm
	case unix.S_IFDIR:
		return perm | fs.ModeDir
	default:
		known, ok := unixTypes[kind]
		if !ok {
			known = fs.ModeIrregular
		}
		return perm | known
	}
}
