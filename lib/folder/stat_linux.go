package folder

import (
	"io/fs"
	"syscall"
)

// statOf returns the stat of a file; ok is false where the system does not tell it.
func statOf(info fs.FileInfo) (s fileStat, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return s, false
	}
	return fileStat{
		size:  st.Size,
		mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(),
		inode: uint64(st.Ino), device: uint64(st.Dev),
	}, true
}
