package store

import (
	"testing"
	"time"

	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
)

// A lock that nobody holds is taken, however long it takes to open its file.
func TestTryLockTriesOnce(t *testing.T) {
	machine := memfs.New(1)
	s, err := Open(t.Context(), "/store", Options{Create: true, fs: machine.Process()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	machine.Fault = func(c memfs.Call) memfs.Outcome {
		if c.Path == "/store/locks/use" {
			time.Sleep(2 * lockTry) // a slow disk
		}
		return memfs.Outcome{}
	}
	lock, err := s.tryLock(t.Context(), packlog.LockUse)
	if lock == nil || err != nil {
		t.Fatal("the lock is not had", err)
	}
	if other, err := s.tryLock(t.Context(), packlog.LockUse); other != nil || err != nil {
		t.Errorf("it is had twice, or %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
}
