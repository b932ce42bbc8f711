package folder

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Each operation on a file is one system call here: an os.Root would look for links on the way to a name, of which there are
// none, and register the file with the poller.

// create makes a file that is not there yet.
func (s *sharedRoot) create(name string) (*os.File, error) {
	for {
		fd, err := unix.Openat(int(s.dir.Fd()), name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err == nil {
			return os.NewFile(uintptr(fd), name), nil
		}
		if err != unix.EINTR {
			return nil, &fs.PathError{Op: "creating", Path: name, Err: err}
		}
	}
}

// setTime sets a file's time of modification.
func (s *sharedRoot) setTime(name string, mtime time.Time) error {
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(mtime.UnixNano())}
	if err := unix.UtimesNanoAt(int(s.dir.Fd()), name, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "setting the time of", Path: name, Err: err}
	}
	return nil
}

// renameNew renames a file to a name that nothing has, else the error is fs.ErrExist.
func (s *sharedRoot) renameNew(from, to string) error {
	fd := int(s.dir.Fd())
	err := unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // this disk, or this system, cannot do it
		return s.renameSlowly(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}
