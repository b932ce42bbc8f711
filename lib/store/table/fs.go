package table

import "io/fs"

// FS is what tables need of a file system.
type FS interface {
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	Remove(name string) error
}

// File is what tables need of an open file.
type File interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	Sync() error
	Stat() (fs.FileInfo, error)
	Close() error
}
