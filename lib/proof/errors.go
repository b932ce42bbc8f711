package proof

import (
	"errors"
	"fmt"
)

var (
	// ErrUnverified means that the stream is not what the key signed, not what was asked for, or not a proof stream
	// at all. The part that fails was not passed on.
	ErrUnverified = errors.New("verification failed")

	// ErrPartial means that everything that came is verified, but something is missing: the stream stops before its
	// end frame, the log has no signed head, or the requested data is beyond its end.
	ErrPartial = errors.New("incomplete")

	// ErrCut is the ErrPartial of a stream that stops before its end frame.
	ErrCut = errors.New("the stream stops before its end frame")

	// ErrConflict means that a head does not extend the one before it, or is on a fork other than the requested one.
	ErrConflict = errors.New("conflict")

	// ErrBlockMissing is returned by a [Source] for a block that it does not have and will not get.
	ErrBlockMissing = errors.New("block is missing")

	// ErrAbsent means that a path, or a folder, was proved not to exist.
	ErrAbsent = errors.New("it is proved not to exist")

	// ErrUnsupported is returned for a claim that cannot be written: a path or a tree that follows later heads.
	ErrUnsupported = errors.New("not supported")
)

// FrameError says where in a stream something is wrong. It wraps its kind and its reason.
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

// NotProofError says that a stream was never meant to be a proof. The FrameError around it is ErrUnverified.
type NotProofError struct {
	Begins string // with this, shortened
}

// Error implements error.
func (e *NotProofError) Error() string {
	return fmt.Sprintf("not an %s stream: it begins with %q", version, e.Begins)
}

// ClaimError says that a stream proves something other than what was asked for.
type ClaimError struct{ Claim, Want Claim }

// Error implements error.
func (e *ClaimError) Error() string {
	return fmt.Sprintf("the stream proves %q, not %q", e.Claim, e.Want)
}
