package hypercore

import "errors"

// Sentinel errors, to be tested with errors.Is.
var (
	ErrConflict = errors.New("conflict")              // another length than expected, a name that is taken, another signed head
	ErrReadOnly = errors.New("no secret key")         // the core is somebody else's
	ErrForked   = errors.New("the log was rewritten") // the key signed a history that does not extend ours
	ErrTooLarge = errors.New("block is too large")
	ErrFramed   = errors.New("the input is an hc-stream, whose framing would become part of the log")
)

// worded is an error with a text of its own that wraps a sentinel.
type worded struct {
	is    error
	words string
}

func (e worded) Error() string { return e.words }
func (e worded) Unwrap() error { return e.is }
