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

	// ErrCut is the ErrPartial of a stream that stops before its end frame.
	ErrCut = errors.New("the stream stops before its end frame")

	// ErrConflict means that a head does not go on from the one before it, or stands on another fork than the one asked
	// for.
	ErrConflict = errors.New("conflict")

	// ErrBlockMissing is returned by a [Source] for a block that it does not have and that will not come.
	ErrBlockMissing = errors.New("block is missing")

	// ErrAbsent means that a path, or a folder, was proved not to be there.
	ErrAbsent = errors.New("it is proved not to be there")

	// ErrUnsupported is returned for what cannot be written: a path or a tree that goes on with later heads.
	ErrUnsupported = errors.New("not supported")
)

// FrameError says where in a stream something is wrong. It unwraps to its kind and its reason.
type FrameError struct {
	Frame  uint64 // number of the frame; the line that names the format is 0
	Offset uint64 // bytes before the frame
	Kind   error  // ErrUnverified, ErrPartial or ErrConflict
	Reason error
}

// Error implements error.
func (e *FrameError) Error() string {
	return fmt.Sprintf("%v: frame %d at byte %d: %v", e.Kind, e.Frame, e.Offset, e.Reason)
}

// Unwrap returns kind and reason.
func (e *FrameError) Unwrap() []error { return []error{e.Kind, e.Reason} }

// ClaimError says that a stream proves something else than what was asked for.
type ClaimError struct{ Claim, Want Claim }

// Error implements error.
func (e *ClaimError) Error() string {
	return fmt.Sprintf("the stream proves %q, not %q", e.Claim, e.Want)
}
