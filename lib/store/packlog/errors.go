package packlog

import (
	"errors"
	"fmt"
)

var (
	// ErrNotStore says that the folder holds no store, or one that this program does not know.
	ErrNotStore = errors.New("not a store")
	// ErrNoStore is the ErrNotStore for a folder in which nobody has made a store, or that does not exist.
	ErrNoStore = fmt.Errorf("%w", ErrNotStore)
	// ErrLocked says that a lock could not be taken in time. The error is a *LockedError.
	ErrLocked = errors.New("locked")
	// ErrOvertaken says that somebody recovered the log since the append, or the view, began: begin again.
	ErrOvertaken = errors.New("the log was recovered in the meantime")
	// ErrUnsynced says that the sync of a commit failed, and that it is unknown whether the append is there: begin
	// again and look.
	ErrUnsynced = errors.New("not certain to be kept")
	// ErrDamaged says that bytes that were once synced are not valid any more. The error is a *DamageError.
	ErrDamaged = errors.New("damaged")
	// ErrReadOnly says that a log opened for reading was asked to write.
	ErrReadOnly = errors.New("opened read-only")
	// ErrMoved says that a position's pack has been rewritten or is gone: look the position up again.
	ErrMoved = errors.New("position is not current")
	// errBoot says that the system has no readable boot id.
	errBoot = errors.New("boot id is unknown")
	// ErrTooLarge says that a record is over the format's limits.
	ErrTooLarge = errors.New("record is too large")
	// ErrClosed says that the log was closed.
	ErrClosed = errors.New("log is closed")
)

// LockedError names the holder of a lock. PID is 0 if the holder is unknown.
type LockedError struct {
	Name    string // of the lock
	PID     int
	Program string
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%q is locked by another process", e.Name)
	}
	return fmt.Sprintf("%q is locked by %s (process %d)", e.Name, e.Program, e.PID)
}

// Is makes errors.Is(err, ErrLocked) true.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// DamageError says where the log is damaged, and how many bytes it is to the next valid record.
type DamageError struct {
	Position Position
	Length   uint64 // bytes that cannot be used
	Reason   error
	Known    bool // what was there is known, or reported elsewhere; else it may have been any record, even one that commits
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("pack %d: %d bytes at byte %d are damaged: %v", e.Position.Pack, e.Length, e.Position.Offset, e.Reason)
}

// Is makes errors.Is(err, ErrDamaged) true.
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

// Unwrap returns what is wrong with the bytes.
func (e *DamageError) Unwrap() error { return e.Reason }
