//go:build linux || openbsd || dragonfly

package folder

import (
	"io/fs"
	"syscall"
	"time"
)

// inodeOf returns when a file, its names or its mode last changed, and how many names it has.
func inodeOf(info fs.FileInfo) (changed time.Time, names uint64) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}, 0
	}
	return time.Unix(st.Ctim.Unix()), uint64(st.Nlink)
}
