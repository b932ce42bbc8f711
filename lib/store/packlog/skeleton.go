package packlog

import (
	"context"
	"errors"
	"time"
)

// Kind says what a record is to the store. packlog itself knows only KindSeal.
type Kind uint8

// The kinds of records, as numbered on disk.
const (
	KindCore     Kind = 1
	KindRun      Kind = 2
	KindSpan     Kind = 3
	KindNodes    Kind = 4
	KindHead     Kind = 5
	KindSeal     Kind = 6 // a pack is full; written by packlog, not seen by callers
	KindTruncate Kind = 7
	KindClear    Kind = 8
	KindDrop     Kind = 9
	KindSeen     Kind = 10
)

// Limits of a record.
const (
	MaxMeta    = 4 << 20  // bytes
	MaxPayload = 16 << 20 // bytes
)

// AppendID is the random id of an append, which its records share.
type AppendID [16]byte

// Record is one record of the log.
type Record struct {
	Kind       Kind
	Append     AppendID // set by Append.Write and Append.Commit
	Commit     bool     // ends its append and makes all of it count; set by Append.Commit
	Position   Position // set when read
	Meta       []byte   // at most MaxMeta
	Payload    []byte   // at most MaxPayload; nil from a scan without payloads
	PayloadLen int      // set when read
}

// Mark is what the mark file says: Synced ≤ Readable ≤ End.
type Mark struct {
	Boot                  BootID
	Synced, Readable, End Position
}

// Options are for Open. The zero value opens an existing store on the real disk for reading and writing.
type Options struct {
	FS       FS            // nil: OS()
	Create   bool          // make the store if there is none
	ReadOnly bool          // nothing is written, no lock is taken
	LockWait time.Duration // how long to wait for a lock; 0: DefaultLockWait; negative: not at all
	PackSize uint64        // bytes at which a pack is full; 0: 4 GiB
	// Applied returns the position up to which derived state was made, zero if there is none: it counts among those
	// known to be synced. It is called by recoveries, and must not call the Log.
	Applied func() Position
	// OnDamage is told of each damaged place that a Scan or a recovery passes over. nil: see Log.Damage.
	OnDamage func(*DamageError)
}

// DefaultLockWait is how long a lock is waited for unless Options say otherwise.
const DefaultLockWait = 10 * time.Second

// Log is an open log.
type Log struct{}

// View is a consistent bound for scans.
type View struct {
	Synced   Position // what stands before is durable, and may be announced
	Readable Position // nothing at or behind it is seen
	Closer   uint64   // changes when somebody recovers: what was read beyond Synced before may not count any more
}

// Lock is one held lock.
type Lock struct{}

// Append is one append.
type Append struct{}

var errSkeleton = errors.New("packlog: not built yet")

// Open opens the store in dir.
func Open(ctx context.Context, dir string, options Options) (*Log, error) { return nil, errSkeleton }

// Close syncs the mark and releases all files.
func (l *Log) Close() error { return errSkeleton }

// Mark reads the mark.
func (l *Log) Mark(ctx context.Context) (Mark, error) { return Mark{}, errSkeleton }

// View returns what may be read now.
func (l *Log) View(ctx context.Context) (View, error) { return View{}, errSkeleton }

// Scan calls fn for each record from a position to the view's end, in order. The record's bytes are valid until fn returns.
// Records of appends whose commit record never comes are void; fn sees them, too.
func (l *Log) Scan(ctx context.Context, view View, from Position, payloads bool, fn func(Record) error) error {
	return errSkeleton
}

// ReadPayload returns the payload of the record at a position; the caller owns it.
func (l *Log) ReadPayload(ctx context.Context, at Position) ([]byte, error) { return nil, errSkeleton }

// ReadRecord returns the record at a position; the caller owns it.
func (l *Log) ReadRecord(ctx context.Context, at Position) (Record, error) {
	return Record{}, errSkeleton
}

// Current reports whether the position's pack is still the newest generation.
func (l *Log) Current(at Position) bool { return false }

// Damage returns the damaged places met so far.
func (l *Log) Damage() []*DamageError { return nil }

// Lock takes the lock of that name.
func (l *Log) Lock(ctx context.Context, name string, shared bool) (*Lock, error) {
	return nil, errSkeleton
}

// Unlock lets go of the lock.
func (k *Lock) Unlock() error { return errSkeleton }

// Begin starts an append.
func (l *Log) Begin(ctx context.Context) (*Append, error) { return nil, errSkeleton }

// ID returns the append's id.
func (a *Append) ID() AppendID { return AppendID{} }

// Write writes one batch of records.
func (a *Append) Write(ctx context.Context, records ...Record) ([]Position, error) {
	return nil, errSkeleton
}

// Commit writes the append's last record, which head makes under the append lock.
func (a *Append) Commit(ctx context.Context, head func() (Record, error), durable bool) (Position, error) {
	return Position{}, errSkeleton
}

// Watch signals whenever the mark moves, until ctx ends.
func (l *Log) Watch(ctx context.Context) (<-chan struct{}, error) { return nil, errSkeleton }

// OS returns the real file system.
func OS() FS { return nil }
