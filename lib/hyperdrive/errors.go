package hyperdrive

import (
	"errors"
	"fmt"

	"hc/lib/keys"
)

var (
	// ErrName is returned for a name that must not be given to a file on a disk.
	ErrName = errors.New("invalid file name")

	// ErrEntry is returned for a record of the names that is not a valid entry.
	ErrEntry = errors.New("malformed entry")

	// ErrContent is returned if the blobs do not match the entry. The signature proves who wrote both, not that they
	// match.
	ErrContent = errors.New("content is not what the entry says")

	// ErrBehind is returned for content beyond the end of the blobs core: it may be available later, or elsewhere.
	ErrBehind = errors.New("blobs are not available")

	// ErrNoBlobs is returned if the key of the blobs core cannot be derived from the names core.
	ErrNoBlobs = errors.New("blobs core is unknown")

	// ErrNotDrive is returned if a log is used as a drive's names, but is not one.
	ErrNotDrive = errors.New("not a drive")

	// ErrNotFile is returned for the content of an item that is not a file.
	ErrNotFile = errors.New("not a file")
)

// NotDriveError says which log is used as a drive's names, but is not one: its block 0 is another log's. It is
// ErrNotDrive, and not hyperbee.ErrCorrupt: somebody has named the wrong log, and nothing is damaged.
type NotDriveError struct {
	Key    keys.Key
	Reason error // why block 0 is not a drive's header
}

// Error implements error.
func (e *NotDriveError) Error() string { return fmt.Sprintf("core %v is a log, not a drive", e.Key) }

// Unwrap returns ErrNotDrive.
func (e *NotDriveError) Unwrap() error { return ErrNotDrive }

// Hint says what to do next.
func (e *NotDriveError) Hint() string {
	return fmt.Sprintf("hc-fetch %v | hc-verify %v reads it", e.Key, e.Key)
}
