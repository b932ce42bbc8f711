//go:build !linux

package folder

import (
	"os"
	"time"
)

// create makes a file that is not there yet.
func (s *sharedRoot) create(name string) (*os.File, error) {
	return s.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// setTime sets a file's time of modification.
func (s *sharedRoot) setTime(name string, mtime time.Time) error {
	return s.Chtimes(name, time.Time{}, mtime)
}

// renameNew renames a file to a name that nothing has, else the error is fs.ErrExist.
func (s *sharedRoot) renameNew(from, to string) error { return s.renameSlowly(from, to) }
