package packlog

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	packsDir   = "packs"
	markFile   = "mark"
	formatFile = "format"
	newPack    = "new.tmp" // a pack in the making, under the append lock
)

// Options are options for Open. The zero value opens an existing store on the real disk for reading and writing.
type Options struct {
	FS       FS            // nil: OS()
	Create   bool          // make the store if there is none
	Late     bool          // with Create: not before something is locked or begun, so that a program that fails earlier leaves nothing
	ReadOnly bool          // nothing is written, no lock is taken
	LockWait time.Duration // how long to wait for a lock; 0: DefaultLockWait; negative: not at all
	PackSize uint64        // bytes at which a pack is full; 0: DefaultPackSize
	Program  string        // shown to others while it holds a lock; empty: the executable's name
	// Applied returns the position up to which derived state was made, zero if there is none: it counts among the
	// positions known to be synced. View and recoveries call it, from any goroutine; it must not call the Log.
	Applied func() Position
	// OnDamage is called with each damaged place that a Scan or a recovery skips, possibly by several goroutines at
	// once. See also Log.Damage.
	OnDamage func(*DamageError)
}

// Log is an open log. Its methods are safe for concurrent use.
type Log struct {
	fs         FS
	dir        string
	readOnly   bool
	lockWait   time.Duration
	packSize   uint64
	aheadAfter int // of writeAhead
	applied    func() Position
	onDamage   func(*DamageError)
	holder     []byte
	boot       BootID
	disk       *diskCache

	append  appendLock
	spare   spareLocks
	commits commitQueue

	// While the append lock is held.
	tail      *tail  // the last pack, as this process knows it
	marked    Mark   // as it is in the file
	folder    uint64 // marked.Folder when chain was last read under the lock
	buffer    []byte // of a batch
	own       ownBatches
	markDirty bool

	mu      sync.Mutex // guards the fields below
	closed  bool
	mark    File                 // nil if there is none (read-only); else set by Open and never changed
	chain   *chain               // the folder as it was last read
	seen    uint64               // Mark.Folder before that; 0 if the mark was not read
	loads   uint64               // begun
	loaded  uint64               // the one that chain is from
	headers map[string]*packHead // by file name
	files   fileCache
	damage  []*DamageError
	survey  *cachedSurvey

	quiet     Mark // the last one that this process met or wrote under the append lock with nothing to recover
	quietFile File // the pack that its end is in, which may be closed since; nil: unknown

	making sync.Mutex  // held while the store is made late
	there  atomic.Bool // the store exists; else it is to be made late

	raised atomic.Bool // the format file says version 2, durably
	tidied atomic.Bool // the append lock is held, and nothing had to be recovered
}

// Open opens the store in dir. Without Options.Create an error wrapping ErrNotStore says that there is none. Other
// processes may use the same log at the same time. If a log was not closed properly, the next writer mends it.
func Open(ctx context.Context, dir string, options Options) (*Log, error) {
	l := newLog(dir, options)
	boot, err := l.fs.BootID()
	if err != nil {
		return nil, err
	}
	l.boot = boot
	open := l.open
	if options.Late {
		open = l.openLate
	}
	if err := open(ctx, options.Create && !options.ReadOnly); err != nil {
		return nil, errors.Join(fmt.Errorf("opening store %q: %w", dir, err), l.Close())
	}
	return l, nil
}

func newLog(dir string, options Options) *Log {
	l := &Log{
		fs:         options.FS,
		dir:        dir,
		readOnly:   options.ReadOnly,
		lockWait:   options.LockWait,
		packSize:   options.PackSize,
		aheadAfter: aheadAfter,
		applied:    options.Applied,
		onDamage:   options.OnDamage,
		append:     appendLock{gate: make(chan struct{}, 1)},
		headers:    map[string]*packHead{},
	}
	if l.fs == nil {
		l.fs = OS()
	}
	l.disk = &diskCache{fs: l.fs, path: l.path(formatFile), size: flushEvery}
	if l.lockWait == 0 {
		l.lockWait = DefaultLockWait
	}
	if l.packSize == 0 {
		l.packSize = DefaultPackSize
	}
	if l.applied == nil {
		l.applied = func() Position { return Position{} }
	}
	program := options.Program
	if program == "" {
		program = programName()
	}
	l.holder = holder(program)
	return l
}

func (l *Log) path(parts ...string) string {
	return filepath.Join(append([]string{l.dir}, parts...)...)
}

// Dir returns the store's folder.
func (l *Log) Dir() string { return l.dir }

// Close syncs the mark, if this process has moved it, and closes all files. Records that an append has written but not
// committed are void. Close waits for calls that write; no call may be made after it.
func (l *Log) Close() error {
	l.append.gate <- struct{}{}
	defer func() { <-l.append.gate }()
	l.giveBackAhead()
	l.disk.wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var errs []error
	if l.mark != nil {
		if l.markDirty {
			errs = append(errs, l.mark.Sync())
		}
		errs = append(errs, l.mark.Close())
	}
	if l.tail != nil {
		errs = append(errs, l.tail.file.Close())
		l.tail = nil
	}
	if l.append.file.File != nil {
		errs = append(errs, l.append.file.Close())
		l.append.file = lockFile{}
	}
	errs = append(errs, l.files.close(), l.spare.close())
	return errors.Join(errs...)
}

// Damage returns the damaged places that scans and recoveries have met so far, at most MaxDamage.
func (l *Log) Damage() []*DamageError {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*DamageError(nil), l.damage...)
}

// MaxDamage is how many damaged places a Log remembers.
const MaxDamage = 1000

func (l *Log) report(d *DamageError) {
	l.mu.Lock()
	l.remember(d)
	l.mu.Unlock()
	if l.onDamage != nil {
		l.onDamage(d)
	}
}

// remember keeps a damaged place. If there are too many, one that may have held a head replaces one that cannot have: a
// signer must learn about it. mu is held.
func (l *Log) remember(d *DamageError) {
	of := func(other *DamageError) bool { return other.Position == d.Position }
	i := slices.IndexFunc(l.damage, of)
	if i < 0 && len(l.damage) < MaxDamage {
		l.damage = append(l.damage, d)
		return
	}
	if i < 0 && !d.Known {
		i = slices.IndexFunc(l.damage, func(other *DamageError) bool { return other.Known })
	}
	if i >= 0 && l.damage[i].Known {
		l.damage[i] = d
	}
}
