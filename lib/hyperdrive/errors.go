package hyperdrive

import "errors"

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
