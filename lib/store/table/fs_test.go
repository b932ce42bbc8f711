package table

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"hc/lib/store/packlog"
)

// memFS keeps files in memory, counts reads and can fail at one call.
type memFS struct {
	packlog.FS // for what tables do not use

	mu    sync.Mutex
	files map[string]*memFile

	reads  atomic.Int64 // ReadAt calls
	calls  int          // guarded by mu; calls that may fail
	failAt int          // guarded by mu; the call that fails, from 1; 0: none
}

var errInjected = errors.New("injected")

func newMemFS() *memFS { return &memFS{files: make(map[string]*memFile)} }

func (m *memFS) fails() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.calls == m.failAt {
		return errInjected
	}
	return nil
}

func (m *memFS) OpenFile(name string, flag int, _ fs.FileMode) (packlog.File, error) {
	if err := m.fails(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[name]
	switch {
	case f == nil && flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	case f != nil && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case f == nil:
		f = &memFile{fs: m}
		m.files[name] = f
	}
	return f, nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

// put makes a file of those bytes, which are not copied.
func (m *memFS) put(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[name] = &memFile{fs: m, data: data}
}

func (m *memFS) bytes(t testing.TB, name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.files[name]
	if f == nil {
		t.Fatalf("no file %s", name)
	}
	return bytes.Clone(f.data)
}

func (m *memFS) has(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files[name] != nil
}

type memFile struct {
	packlog.File // for what tables do not use

	fs   *memFS
	data []byte
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.reads.Add(1)
	if err := f.fs.fails(); err != nil {
		return 0, err
	}
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.fs.fails(); err != nil {
		return 0, err
	}
	f.fs.mu.Lock() // pages are written while others read
	defer f.fs.mu.Unlock()
	if need := off + int64(len(p)); need > int64(len(f.data)) {
		f.data = append(f.data, make([]byte, need-int64(len(f.data)))...)
	}
	return copy(f.data[off:], p), nil
}

func (f *memFile) Sync() error  { return f.fs.fails() }
func (f *memFile) Close() error { return f.fs.fails() }

func (f *memFile) Size() (int64, error) { return int64(len(f.data)), f.fs.fails() }
