package packlog

import (
	"io"
	"io/fs"
)

// BootID identifies one run of the operating system: it changes when the machine starts again.
type BootID [16]byte

// FS is how a store reaches the disk. Paths are as in package os. OS is the real one; package memfs has one for tests
// that crashes. All methods are safe for concurrent use. Errors are like those of package os (errors.Is with
// fs.ErrNotExist, fs.ErrExist, fs.ErrPermission).
type FS interface {
	// OpenFile takes the flags of os.OpenFile.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Rename replaces to, if there is one.
	Rename(from, to string) error
	Remove(name string) error
	// ReadDir returns the names in a folder, sorted.
	ReadDir(name string) ([]string, error)
	MkdirAll(name string, perm fs.FileMode) error
	// SyncDir makes the entries of a folder durable.
	SyncDir(name string) error
	// Stat returns a file's size; for a folder the size is meaningless.
	Stat(name string) (size int64, dir bool, err error)
	// Watch signals, coalesced, that the file, or one in the folder, was written to. It must exist.
	Watch(name string) (Watcher, error)
	// Writable returns why nothing can be created in a folder, as far as can be told without trying.
	Writable(dir string) error
	BootID() (BootID, error)
}

// File is one open file. ReadAt and WriteAt are those of io, and are safe for concurrent use.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	// Truncate cuts the file.
	Truncate(size int64) error
	// Sync makes what was written, and the file's length, durable. After an error the file's state is unknown, and a
	// second Sync may lie.
	Sync() error
	// StartWriteback hints that these bytes will be synced soon. It does not wait, and guarantees nothing.
	StartWriteback(offset, length int64)
	// TryLock takes the file's lock and reports false if another open file has it; shared locks exclude exclusive ones.
	TryLock(shared bool) (bool, error)
	Unlock() error
}

// Watcher is what FS.Watch returns.
type Watcher interface {
	// Events has room for one signal, and is not closed.
	Events() <-chan struct{}
	Close() error
}
