// Package peer makes byte streams to other programs: over TCP, over a command's stdin and stdout, or over our own.
//
// Begin with [Dial] or [Exec] on the side that asks, [Listen] and [Serve] or [Stdio] on the other. A [Conn] is only a
// stream: secretstream makes it private, and its owner closes it. If a stream cannot be made, the error wraps
// [ErrUnreachable]. Writing to a peer that is gone gives an error that wraps [io.ErrClosedPipe], whatever the stream is made
// of. That is no failure by itself: what the peer sent before may still be read.
package peer

import (
	"errors"
	"fmt"
	"io"
)

// DefaultPort is the TCP port if an address names none.
const DefaultPort = "4977"

// ErrUnreachable says that there is no peer: it does not answer, or the command ended before it said anything.
var ErrUnreachable = errors.New("no peer there")

// ErrAddress says that something is not an address at all.
var ErrAddress = errors.New("not an address")

// Conn is a byte stream to a peer. Different goroutines may read, write and close it; Close ends calls that wait, and may be
// called again.
type Conn interface {
	io.ReadWriteCloser
	CloseWrite() error // ends our direction; the peer's stays open
}

// gone makes the error of a write to a peer that is gone wrap [io.ErrClosedPipe].
func gone(err error) error {
	if err != nil && isBrokenPipe(err) {
		return fmt.Errorf("%w: %w", io.ErrClosedPipe, err)
	}
	return err
}
