package replicate

import (
	"errors"

	"hc/lib/replicate/messages"
)

// Errors that callers tell apart with errors.Is.
var (
	ErrPeer       = errors.New("peer broke the protocol") // and was dropped
	ErrMessage    = messages.ErrMalformed                 // likewise
	ErrLost       = errors.New("connection lost")         // before everything had arrived
	ErrNotOffered = errors.New("the peer does not have this core")
)
