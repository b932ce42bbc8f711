package memfs

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"hc/lib/store/packlog"
)

// Process is one process's access to the disk.
type Process struct {
	machine *Machine
	id      int
	dead    bool
	files   []*file
}

var _ packlog.FS = (*Process)(nil)

// ID returns the number that Call.Process has.
func (p *Process) ID() int { return p.id }

// Kill ends the process at once: its locks are released, its calls fail.
func (p *Process) Kill() {
	p.machine.mu.Lock()
	defer p.machine.mu.Unlock()
	p.kill()
}

// Dead reports whether the process was killed.
func (p *Process) Dead() bool {
	p.machine.mu.Lock()
	defer p.machine.mu.Unlock()
	return p.dead
}

func (p *Process) kill() {
	p.dead = true
	for _, f := range p.files {
		f.release()
	}
	p.files = nil
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// begin takes the machine's lock; the caller releases it with done, whatever begin returns.
func (p *Process) begin(op, name string, changes bool) (func(), error) {
	m := p.machine
	m.mu.Lock()
	out, err := m.enter(p, op, name, changes)
	if err == nil {
		err = m.fail(p, out)
	}
	return m.mu.Unlock, pathError(op, name, err)
}

// OpenFile is part of packlog.FS.
func (p *Process) OpenFile(name string, flag int, _ fs.FileMode) (packlog.File, error) {
	p.machine.mu.Lock()
	n := p.machine.root.find(name)
	p.machine.mu.Unlock()
	op := "open"
	if n == nil && flag&os.O_CREATE != 0 || flag&os.O_TRUNC != 0 {
		op = "create"
	}
	done, err := p.begin(op, name, op == "create")
	defer done()
	if err != nil {
		return nil, err
	}
	n = p.machine.root.find(name)
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return nil, pathError(op, name, fs.ErrNotExist)
	case n != nil && flag&os.O_EXCL != 0:
		return nil, pathError(op, name, fs.ErrExist)
	case n == nil:
		parent := p.machine.root.find(filepath.Dir(name))
		if parent == nil || !parent.dir {
			return nil, pathError(op, name, fs.ErrNotExist)
		}
		n = &node{}
		parent.change(change{to: filepath.Base(name), node: n})
	case flag&os.O_TRUNC != 0:
		n.data, n.dirty = nil, nil // the content on the disk may stay there
	}
	f := &file{process: p, node: n, name: name}
	p.files = append(p.files, f)
	return f, nil
}

// Rename is part of packlog.FS.
func (p *Process) Rename(from, to string) error {
	done, err := p.begin("rename", to, true)
	defer done()
	if err != nil {
		return err
	}
	dir, n := p.machine.root.find(filepath.Dir(from)), p.machine.root.find(from)
	if n == nil || dir != p.machine.root.find(filepath.Dir(to)) {
		return pathError("rename", from, fs.ErrNotExist)
	}
	dir.change(change{to: filepath.Base(to), from: filepath.Base(from), node: n})
	return nil
}

// Remove is part of packlog.FS.
func (p *Process) Remove(name string) error {
	p.machine.mu.Lock()
	there := p.machine.root.find(name) != nil
	p.machine.mu.Unlock()
	done, err := p.begin("remove", name, there)
	defer done()
	if err != nil {
		return err
	}
	if p.machine.root.find(name) == nil {
		return pathError("remove", name, fs.ErrNotExist)
	}
	p.machine.root.find(filepath.Dir(name)).change(change{to: filepath.Base(name)})
	return nil
}

// ReadDir is part of packlog.FS.
func (p *Process) ReadDir(name string) ([]string, error) {
	done, err := p.begin("readdir", name, false)
	defer done()
	if err != nil {
		return nil, err
	}
	n := p.machine.root.find(name)
	if n == nil || !n.dir {
		return nil, pathError("readdir", name, fs.ErrNotExist)
	}
	return slices.Sorted(maps.Keys(n.entries)), nil
}

// MkdirAll is part of packlog.FS.
func (p *Process) MkdirAll(name string, _ fs.FileMode) error {
	p.machine.mu.Lock()
	there := p.machine.root.find(name) != nil
	p.machine.mu.Unlock()
	done, err := p.begin("mkdir", name, !there)
	defer done()
	if err != nil {
		return err
	}
	n := p.machine.root
	for _, part := range split(name) {
		if n.entries[part] == nil {
			n.change(change{to: part, node: newDir()})
		}
		if n = n.entries[part]; !n.dir {
			return pathError("mkdir", name, fs.ErrExist)
		}
	}
	return nil
}

// SyncDir is part of packlog.FS.
func (p *Process) SyncDir(name string) error {
	done, err := p.begin("syncdir", name, true)
	defer done()
	if err != nil {
		return err
	}
	n := p.machine.root.find(name)
	if n == nil || !n.dir {
		return pathError("syncdir", name, fs.ErrNotExist)
	}
	n.syncDir()
	return nil
}

// Stat is part of packlog.FS.
func (p *Process) Stat(name string) (int64, bool, error) {
	done, err := p.begin("stat", name, false)
	defer done()
	if err != nil {
		return 0, false, err
	}
	n := p.machine.root.find(name)
	if n == nil {
		return 0, false, pathError("stat", name, fs.ErrNotExist)
	}
	return int64(len(n.data)), n.dir, nil
}

// Writable is part of packlog.FS.
func (p *Process) Writable(string) error { return nil }

// BootID is part of packlog.FS.
func (p *Process) BootID() (packlog.BootID, error) {
	p.machine.mu.Lock()
	defer p.machine.mu.Unlock()
	return p.machine.bootID(), nil
}

// Watch is part of packlog.FS.
func (p *Process) Watch(name string) (packlog.Watcher, error) {
	p.machine.mu.Lock()
	defer p.machine.mu.Unlock()
	n := p.machine.root.find(name)
	if n == nil {
		return nil, pathError("watch", name, fs.ErrNotExist)
	}
	w := &watcher{machine: p.machine, node: n, events: make(chan struct{}, 1)}
	n.watchers = append(n.watchers, w)
	return w, nil
}

type watcher struct {
	machine *Machine
	node    *node
	events  chan struct{}
}

func (w *watcher) signal() {
	select {
	case w.events <- struct{}{}:
	default:
	}
}

func (w *watcher) Events() <-chan struct{} { return w.events }

func (w *watcher) Close() error {
	w.machine.mu.Lock()
	defer w.machine.mu.Unlock()
	w.node.watchers = slices.DeleteFunc(w.node.watchers, func(x *watcher) bool { return x == w })
	return nil
}

// file is one open file.
type file struct {
	process *Process
	node    *node
	name    string
	closed  bool
}

func (f *file) release() {
	delete(f.node.locks, f)
	f.closed = true
}

func (f *file) begin(op string, changes bool) (func(), error) {
	done, err := f.process.begin(op, f.name, changes)
	if err == nil && f.closed {
		err = pathError(op, f.name, fs.ErrClosed)
	}
	return done, err
}

func (f *file) ReadAt(b []byte, offset int64) (int, error) {
	done, err := f.begin("read", false)
	defer done()
	if err != nil {
		return 0, err
	}
	if offset >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.node.data[offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(b []byte, offset int64) (int, error) {
	m := f.process.machine
	m.mu.Lock()
	defer m.mu.Unlock()
	out, err := m.enter(f.process, "write", f.name, true)
	if err == nil && f.closed {
		err = fs.ErrClosed
	}
	if err != nil {
		return 0, pathError("write", f.name, err)
	}
	n := m.room(f.node, int(offset), len(b))
	if n < len(b) && out == (Outcome{}) {
		out.Err = syscall.ENOSPC
	} else if out != (Outcome{}) {
		n = m.random.IntN(n + 1)
	}
	if n > 0 {
		f.node.write(int(offset), b[:n])
	}
	return n, pathError("write", f.name, m.fail(f.process, out))
}

func (f *file) Truncate(size int64) error {
	done, err := f.begin("truncate", true)
	defer done()
	if err == nil {
		f.node.cut(int(size))
	}
	return err
}

func (f *file) Close() error {
	m := f.process.machine
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.closed && !f.process.dead {
		return pathError("close", f.name, fs.ErrClosed)
	}
	f.release()
	f.process.files = slices.DeleteFunc(f.process.files, func(x *file) bool { return x == f })
	return nil
}

func (f *file) Size() (int64, error) {
	done, err := f.begin("stat", false)
	defer done()
	if err != nil {
		return 0, err
	}
	return int64(len(f.node.data)), nil
}

func (f *file) Sync() error {
	m := f.process.machine
	m.mu.Lock()
	defer m.mu.Unlock()
	out, err := m.enter(f.process, "sync", f.name, true)
	if err == nil && f.closed {
		err = fs.ErrClosed
	}
	if err == nil {
		if err = m.fail(f.process, out); out.Err != nil && err != nil {
			f.node.syncFailed(m.random)
		}
	}
	if err == nil {
		f.node.sync()
	}
	return pathError("sync", f.name, err)
}

func (f *file) StartWriteback(int64, int64) {}

func (f *file) TryLock(shared bool) (bool, error) {
	done, err := f.begin("lock", false)
	defer done()
	if err != nil {
		return false, err
	}
	for other, sharing := range f.node.locks {
		if other != f && !(shared && sharing) {
			return false, nil
		}
	}
	if f.node.locks == nil {
		f.node.locks = map[*file]bool{}
	}
	f.node.locks[f] = shared
	return true, nil
}

func (f *file) Unlock() error {
	done, err := f.begin("unlock", false)
	defer done()
	if err == nil {
		delete(f.node.locks, f)
	}
	return err
}
