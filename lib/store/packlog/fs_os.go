package packlog

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"syscall"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// OS returns the real file system.
func OS() FS { return osFS{} }

type osFS struct{}

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return osFile{f, conn}, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) ReadDir(name string) ([]string, error) {
	entries, err := os.ReadDir(name)
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, err
}

func (osFS) MkdirAll(name string, perm fs.FileMode) error { return os.MkdirAll(name, perm) }

func (osFS) SyncDir(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}

// Stat does what os.Stat does, but without garbage: it is part of every commit.
func (osFS) Stat(name string) (int64, bool, error) {
	var st unix.Stat_t
	err := unix.Stat(name, &st)
	for err == unix.EINTR {
		err = unix.Stat(name, &st)
	}
	if err != nil {
		return 0, false, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return st.Size, st.Mode&unix.S_IFMT == unix.S_IFDIR, nil
}

func (osFS) Writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return &fs.PathError{Op: "creating a file in", Path: dir, Err: err}
	}
	return nil
}

func (osFS) BootID() (BootID, error) { return bootID() }

type osFile struct {
	*os.File
	conn syscall.RawConn
}

// Size moves the file's offset, which nobody uses: reads and writes name their own.
func (f osFile) Size() (int64, error) { return f.Seek(0, io.SeekEnd) }

func (f osFile) TryLock(shared bool) (bool, error) {
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	err := f.flock(how | unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return false, nil
	}
	if err != nil {
		return false, &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
	return true, nil
}

func (f osFile) Unlock() error { return f.flock(unix.LOCK_UN) }

// flock, unlike control, makes no garbage: it is called six times in every commit. Nobody closes a file while locking
// it.
func (f osFile) flock(how int) error {
	err := unix.Flock(int(f.Fd()), how)
	for err == unix.EINTR {
		err = unix.Flock(int(f.Fd()), how)
	}
	runtime.KeepAlive(f.File)
	return err
}

// control makes one system call on the file's descriptor, and repeats it while signals interrupt it.
func (f osFile) control(call func(fd int) error) error {
	var inner error
	err := f.conn.Control(func(fd uintptr) {
		for {
			if inner = call(int(fd)); inner != unix.EINTR {
				return
			}
		}
	})
	return errors.Join(err, inner)
}

// osWatcher turns fsnotify's events on one file into coalesced signals.
type osWatcher struct {
	notify *fsnotify.Watcher
	events chan struct{}
	done   sync.WaitGroup
}

func (osFS) Watch(name string) (Watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	if err := notify.Add(name); err != nil {
		return nil, errors.Join(err, notify.Close())
	}
	w := &osWatcher{notify: notify, events: make(chan struct{}, 1)}
	w.done.Go(w.run)
	return w, nil
}

// run ends when Close closes fsnotify's channels. An error there is an overflow: events were lost, which counts as a
// signal.
func (w *osWatcher) run() {
	for {
		var open bool
		select {
		case _, open = <-w.notify.Events:
		case _, open = <-w.notify.Errors:
		}
		if !open {
			return
		}
		select {
		case w.events <- struct{}{}:
		default:
		}
	}
}

func (w *osWatcher) Events() <-chan struct{} { return w.events }

func (w *osWatcher) Close() error {
	err := w.notify.Close()
	w.done.Wait()
	return err
}
