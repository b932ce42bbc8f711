//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package folder

import (
	"io/fs"
	"os"
)

// lstat looks at what a folder has under a name. Nothing here shows that a file was not touched: every one is read.
func lstat(root *os.Root, _ *os.File, name string) (fileStat, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return fileStat{}, err
	}
	return statOf(info), nil
}

// fstat looks at an open file.
func fstat(file *os.File) (fileStat, error) {
	info, err := file.Stat()
	if err != nil {
		return fileStat{}, err
	}
	return statOf(info), nil
}

// statOf returns the stat of a FileInfo.
func statOf(info fs.FileInfo) fileStat {
	mtime, far := nanoseconds(info.ModTime())
	return fileStat{mode: info.Mode(), far: far, size: info.Size(), mtime: mtime, info: info}
}
