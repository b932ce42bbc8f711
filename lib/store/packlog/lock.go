package packlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Names of locks other than those of cores, which are "core-" and hex, in the order in which they are taken.
const (
	LockCheckpoint = "checkpoint"
	LockUse        = "use"
	LockAppend     = "append" // taken by methods of Log and Append only
	lockCore       = "core-"
	locksDir       = "locks"
)

// DefaultLockWait is how long to wait for a lock unless Options say otherwise.
const DefaultLockWait = 10 * time.Second

const (
	firstPause = 100 * time.Microsecond // between two attempts to take a lock
	lastPause  = 20 * time.Millisecond
	holderSize = 256                    // bytes of a lock file that are read and written
	namedFor   = 100 * time.Millisecond // how long a holder's name, once seen in a lock file, is assumed to be there
)

// Lock is one held lock.
type Lock struct {
	log  *Log
	name string
	file lockFile
	once sync.Once
	err  error
}

// lockFile is an open lock file. Only the goroutine that took it uses it.
type lockFile struct {
	File
	named time.Time // when this process was last seen to be named in the file
}

// maxSpare is how many unheld lock files are kept open for the next holder.
const maxSpare = 16

// spareLocks is lock files that are open and not locked. Safe for concurrent use.
type spareLocks struct {
	mu     sync.Mutex
	files  []spareLock
	closed bool
}

type spareLock struct {
	name string
	file lockFile
}

// take returns an open file of a lock, if there is one.
func (s *spareLocks) take(name string) (file lockFile, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, spare := range s.files {
		if spare.name == name {
			last := len(s.files) - 1
			s.files[i] = s.files[last]
			s.files = s.files[:last]
			return spare.file, true
		}
	}
	return lockFile{}, false
}

// put keeps an open file, if there is room for it.
func (s *spareLocks) put(name string, file lockFile) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.files) >= maxSpare {
		return false
	}
	s.files = append(s.files, spareLock{name, file})
	return true
}

func (s *spareLocks) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, spare := range s.files {
		errs = append(errs, spare.file.Close())
	}
	s.files, s.closed = nil, true
	return errors.Join(errs...)
}

// lockRank is a lock's place in the order in which locks are taken; 0 if there is no lock of that name.
func lockRank(name string) int {
	if hex, ok := strings.CutPrefix(name, lockCore); ok && isHex(hex) {
		return 1
	}
	switch name {
	case LockCheckpoint:
		return 2
	case LockUse:
		return 3
	case LockAppend:
		return 4
	}
	return 0
}

func isHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return text != ""
}

// Lock takes the lock of that name, waiting as long as Options.LockWait and ctx allow; then the error is a
// *LockedError. It excludes other holders in this process, too. held are the locks that the caller has: Lock panics if
// they are not of a lower rank (core, checkpoint, use, append), since otherwise two processes could wait for each
// other. Locks of several cores may be held if they are taken in the order of their names.
func (l *Log) Lock(ctx context.Context, name string, shared bool, held ...*Lock) (*Lock, error) {
	return l.lockFor(ctx, l.lockWait, name, shared, held)
}

// TryLock is Lock for an optional lock: it waits no longer than wait, but tries at least once, however late it gets
// there.
func (l *Log) TryLock(ctx context.Context, wait time.Duration, name string) (*Lock, error) {
	return l.lockFor(ctx, min(wait, l.lockWait), name, false, nil)
}

func (l *Log) lockFor(ctx context.Context, wait time.Duration, name string, shared bool, held []*Lock) (*Lock, error) {
	rank := lockRank(name)
	if rank == 0 || name == LockAppend {
		panic(fmt.Sprintf("packlog: internal error: no lock is called %q", name))
	}
	for _, other := range held {
		if r := lockRank(other.name); r > rank || r == rank && other.name >= name {
			panic(fmt.Sprintf("packlog: internal error: lock %q taken after %q", name, other.name))
		}
	}
	if l.readOnly {
		return nil, fmt.Errorf("lock %q: %w", name, ErrReadOnly)
	}
	if err := l.Make(ctx); err != nil {
		return nil, err
	}
	file, err := l.openLock(name)
	if err != nil {
		return nil, err
	}
	if err := l.waitLock(ctx, wait, name, &file, shared); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &Lock{log: l, name: name, file: file}, nil
}

// Unlock releases the lock. It may be called more than once.
func (k *Lock) Unlock() error {
	k.once.Do(func() {
		if k.file.Unlock() != nil || !k.log.spare.put(k.name, k.file) {
			k.err = k.file.Close()
		}
	})
	return k.err
}

// openLock opens a lock's file, or takes a spare open one: flock belongs to an open file, so two holders in one process
// need two.
func (l *Log) openLock(name string) (lockFile, error) {
	if file, ok := l.spare.take(name); ok {
		return file, nil
	}
	file, err := l.fs.OpenFile(filepath.Join(l.dir, locksDir, name), os.O_RDWR|os.O_CREATE, 0o666)
	return lockFile{File: file}, err
}

// waitLock tries, with growing pauses, until it has the lock or the time is up.
func (l *Log) waitLock(ctx context.Context, wait time.Duration, name string, file *lockFile, shared bool) error {
	deadline := time.Now().Add(wait)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("lock %q: %w", name, err)
		}
		ok, err := file.TryLock(shared)
		if err != nil {
			return fmt.Errorf("lock %q: %w", name, err)
		}
		if ok {
			l.writeHolder(file)
			return nil
		}
		if left := time.Until(deadline); left <= 0 {
			return readHolder(name, file)
		} else if err := sleep(ctx, min(pause, left)); err != nil {
			return errors.Join(fmt.Errorf("lock %q: %w", name, err), readHolder(name, file))
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// holder returns what this process writes into a lock's file, padded so that one write replaces what was there.
func holder(program string) []byte {
	text := fmt.Sprintf("%d %s", os.Getpid(), program)
	text = strings.ReplaceAll(text[:min(len(text), holderSize-1)], "\n", " ")
	return fmt.Appendf(nil, "%-*s\n", holderSize-1, text)
}

// programName is used if Options name no program.
func programName() string {
	name, err := os.Executable()
	if err != nil {
		return "unknown"
	}
	return filepath.Base(name)
}

// writeHolder names this process as the holder, of a shared lock as the latest one. It only serves others' messages, so
// errors do not matter, nor that it is skipped for most of many commits in a row.
func (l *Log) writeHolder(file *lockFile) {
	at := time.Now()
	if at.Sub(file.named) < namedFor {
		return
	}
	file.named = at
	now := holders.Get().(*[holderSize]byte)
	defer holders.Put(now)
	if n, _ := file.ReadAt(now[:], 0); n == holderSize && bytes.Equal(now[:], l.holder) {
		return
	}
	_, _ = file.WriteAt(l.holder, 0)
}

var holders = sync.Pool{New: func() any { return new([holderSize]byte) }}

func readHolder(name string, file io.ReaderAt) error {
	b := make([]byte, holderSize)
	n, _ := file.ReadAt(b, 0)
	e := &LockedError{Name: name}
	number, program, ok := strings.Cut(string(b[:n]), " ")
	if pid, err := strconv.Atoi(number); ok && err == nil {
		e.PID, e.Program = pid, strings.Map(printable, strings.TrimSpace(program))
	}
	return e
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

// appendLock is the append lock of one Log: a gate for the goroutines of this process, then flock for others.
type appendLock struct {
	gate chan struct{} // holds one token while the lock is held
	file lockFile      // guarded by gate; without a File until it is opened
}

func (l *Log) lockAppend(ctx context.Context) error { return l.lockAppendOr(ctx, nil) }

// lockAppendOr gives up with errElsewhere when done is closed.
func (l *Log) lockAppendOr(ctx context.Context, done <-chan struct{}) error {
	if err := l.passGate(ctx, done); err != nil {
		return err
	}
	err := errElsewhere
	if !isClosed(done) {
		err = l.lockAppendFile(ctx)
	}
	if err != nil {
		<-l.append.gate
	}
	return err
}

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// passGate waits for the other goroutines of this process.
func (l *Log) passGate(ctx context.Context, done <-chan struct{}) error {
	select {
	case l.append.gate <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(max(l.lockWait, 0))
	defer timer.Stop()
	select {
	case l.append.gate <- struct{}{}:
		return nil
	case <-done:
		return errElsewhere
	case <-timer.C:
		return &LockedError{Name: LockAppend, PID: os.Getpid(), Program: "this process"}
	case <-ctx.Done():
		return fmt.Errorf("lock %q: %w", LockAppend, ctx.Err())
	}
}

func (l *Log) lockAppendFile(ctx context.Context) error {
	if l.append.file.File == nil {
		file, err := l.openLock(LockAppend)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%q: %w", l.dir, ErrNotStore)
		}
		if err != nil {
			return err
		}
		l.append.file = file
	}
	return l.waitLock(ctx, l.lockWait, LockAppend, &l.append.file, false)
}

// unlockAppend never fails: if a lock cannot be released, its file is closed, which releases it.
func (l *Log) unlockAppend() {
	l.tidied.Store(false)
	if err := l.append.file.Unlock(); err != nil {
		_ = l.append.file.Close()
		l.append.file = lockFile{}
	}
	<-l.append.gate
}
