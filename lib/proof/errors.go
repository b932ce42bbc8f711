package proof

import (
	"errors"
	"fmt"
)

var (
	// ErrUnverified means that the stream is not what the key signed, not what was asked for, or not a proof stream at
	// all. Nothing that fails so was handed on.
	ErrUnverified = errors.New("verification failed")

	// ErrPartial means that all that came is verified, and that something is missing: the stream stops before its end
	// frame, the log has no signed head, or what was asked for lies beyond its end.
	ErrPartial = errors.New("incomplete")

	// ErrConflict means that a head does not go on from the one before it, or stands on another fork than the one asked
	// for.
	ErrConflict = errors.New("conflict")

	// ErrBlockMissing is returned by a [Source] for a block that it does not have and that will not come.
	ErrBlockMissing = errors.New("block is missing")

	// ErrUnsupported is returned for claims that this version knows of and cannot verify or write: those of folders.
	ErrUnsupported = errors.New("not supported")
)

// FrameError says where in a stream something is wrong. It unwraps to its cause.
type FrameError struct {
	Frame  uint64 // number of the frame, the line that names the format being 0
	Offset uint64 // bytes before the frame
	Word   string // the frame's first word
	Err    error
}

// Error implements error.
func (e *FrameError) Error() string {
	return fmt.Sprintf("frame %d (%s) at byte %d: %v", e.Frame, e.Word, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *FrameError) Unwrap() error { return e.Err }
