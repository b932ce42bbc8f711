package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"
)

// A sharedRoot is an open folder that is closed once nobody uses it any more.
type sharedRoot struct {
	*os.Root
	dir   *os.File // the same folder
	users atomic.Int32
}

// share takes over root, even on an error.
func share(root *os.Root) (*sharedRoot, error) {
	dir, err := root.Open(".")
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	s := &sharedRoot{Root: root, dir: dir}
	s.keep()
	return s, nil
}

func (s *sharedRoot) keep() { s.users.Add(1) }

func (s *sharedRoot) release() {
	if s.users.Add(-1) == 0 {
		_ = s.close() // nothing was written through it
	}
}

func (s *sharedRoot) close() error { return errors.Join(s.dir.Close(), s.Root.Close()) }

// begin returns a function that has something written under a temporary name, and then renames it.
func (x *Export) begin(at place, write func(dir *sharedRoot, temp string) (done ExportStats, err error)) func() error {
	dir := at.dir.root // the Export may leave the folder before the file is written
	dir.keep()
	x.begun.Add(1)
	x.claim(at.path, true)
	temp := x.temps.next()
	return func() error {
		defer x.begun.Done()
		defer dir.release()
		done, err := write(dir, temp)
		if err == nil {
			err = NotAllowed(at.path, x.giveName(dir, temp, at, done))
		}
		if err == nil {
			return nil
		}
		_ = dir.Remove(temp)
		x.claim(at.path, false)
		if errors.Is(err, ErrRefused) { // names the path
			return err
		}
		return fmt.Errorf("writing %q: %w", at.path, err)
	}
}

// giveName renames a written file to its own name, and counts it. Nothing is replaced unasked: if something has appeared there,
// or changed, since the write was begun, Decide is asked now.
func (x *Export) giveName(dir *sharedRoot, temp string, at place, done ExportStats) error {
	for {
		err := dir.takePlace(temp, at.name, at.was)
		if err == nil {
			x.count(done)
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		at.was, err = dir.Lstat(at.name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			at.was = nil
			continue
		case err != nil:
			return err
		case at.was.IsDir():
			return fmt.Errorf("%q: %w: it is a folder", at.path, ErrInTheWay)
		}
		decision, err := x.decide(Existing{Path: at.path, Info: at.was})
		if err != nil {
			return err
		}
		if decision == Keep {
			x.count(ExportStats{Kept: 1})
			return dir.Remove(temp)
		}
	}
}

// takePlace renames a file to a name where was is; nil: nothing is there. If something else is there now, that stays, and the
// error is fs.ErrExist.
func (s *sharedRoot) takePlace(from, to string, was fs.FileInfo) error {
	if was == nil {
		return s.renameNew(from, to)
	}
	is, err := s.Lstat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.renameNew(from, to)
	case err != nil:
		return err
	case !Untouched(was, is):
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
	}
	return s.Rename(from, to) // an edit in between is lost: no system can compare and rename at once
}

// writeFile writes a file that has just been made under a temporary name, and closes it.
func writeFile(dir *sharedRoot, file *os.File, temp string, mode fs.FileMode, mtime time.Time, content func(io.Writer) error) (int64, error) {
	err := content(file)
	if err == nil {
		err = file.Chmod(mode)
	}
	var n int64
	if err == nil {
		n, err = file.Seek(0, io.SeekEnd)
	}
	if e := file.Close(); err == nil {
		err = e
	}
	if err == nil && !mtime.IsZero() {
		err = dir.setTime(temp, mtime)
	}
	return n, err
}

// renameSlowly is renameNew for systems that cannot do it in one step.
func (s *sharedRoot) renameSlowly(from, to string) error {
	_, err := s.Lstat(to)
	if err == nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.Rename(from, to)
}
