package hyperdrive

import "errors"

var (
	// ErrName is returned for a name that must not become a file's on a disk.
	ErrName = errors.New("no name for a file")

	// ErrEntry is returned for a record of the names that is no entry.
	ErrEntry = errors.New("malformed entry")

	// ErrContent is returned where the blobs are not what the entry says. The signature proves who wrote both, not that
	// they fit.
	ErrContent = errors.New("content is not what the entry says")

	// ErrBehind is returned for content beyond the end of the blobs core: it may be there later, or elsewhere.
	ErrBehind = errors.New("blobs are not available")

	// ErrNoBlobs is returned where the blobs core cannot be told from the names core.
	ErrNoBlobs = errors.New("blobs core is unknown")

	// ErrNotDrive is returned where a log that is none of a drive's names is used as one.
	ErrNotDrive = errors.New("not a drive")

	// ErrNotFile is returned for the content of what is not a file.
	ErrNotFile = errors.New("not a file")
)
