package protomux

import (
	"errors"
	"fmt"
)

// Errors of this package. Every error that blames the peer is an [ErrDropped]; [DropError] says what the peer did.
var (
	ErrDropped  = errors.New("peer dropped")
	ErrBacklog  = errors.New("it does not read what it has asked for") // with ErrDropped
	ErrStalled  = errors.New("it takes no more bytes")                 // with ErrDropped; see Options.Stall
	ErrRejected = errors.New("the peer does not offer it")             // for Handler.OnClose
	ErrClosed   = errors.New("channel or connection is closed")
	ErrOpen     = errors.New("a channel for this protocol and id is open already")
	ErrTooMany  = errors.New("too many channels")
	ErrTooLong  = errors.New("message is too long")
)

// A DropError says why we ended a connection: `peer dropped: frame 81: batch inside a batch`.
type DropError struct {
	Frame uint64 // number of the message received, from 1, not counting empty ones; 0: no message was the cause
	Err   error
}

func (e *DropError) Error() string {
	if e.Frame == 0 {
		return fmt.Sprintf("%v: %v", ErrDropped, e.Err)
	}
	return fmt.Sprintf("%v: frame %d: %v", ErrDropped, e.Frame, e.Err)
}

// Unwrap returns the cause, which may be a handler's own error.
func (e *DropError) Unwrap() error { return e.Err }

// Is makes every DropError an [ErrDropped].
func (e *DropError) Is(target error) bool { return target == ErrDropped }
