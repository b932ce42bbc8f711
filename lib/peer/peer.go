// Package peer makes byte streams to other programs: over TCP, over a command's stdin and stdout, over our own.
//
// Begin with [Dial] or [Exec] on the side that asks, [Listen] and [Serve] or [Stdio] on the other. A [Conn] is only a
// stream: secretstream makes it private, and whoever holds it closes it. Errors of a stream that could not be had wrap
// [ErrUnreachable]. Writing to a peer who has gone gives an error that wraps [io.ErrClosedPipe], whatever the stream
// is made of: not a failure by itself, as what the peer has said before he went may still be read.
package peer

import (
	"errors"
	"fmt"
	"io"
)

// DefaultPort is the TCP port where an address names none.
const DefaultPort = "4977"

// ErrUnreachable says that there is no peer: it does not answer, or the command ended before it said anything.
var ErrUnreachable = errors.New("no peer there")

// ErrAddress says that an address is none, whoever is there.
var ErrAddress = errors.New("not an address")

// Conn is a byte stream to a peer. Reading, writing and Close may be done by different goroutines; Close ends calls
// that wait, and may be called again.
type Conn interface {
	io.ReadWriteCloser
	CloseWrite() error // ends our direction; the peer's goes on
}

// gone makes an error of a write to a peer who has gone wrap [io.ErrClosedPipe].
func gone(err error) error {
	if err != nil && isBrokenPipe(err) {
		return fmt.Errorf("%w: %w", io.ErrClosedPipe, err)
	}
	return err
}
