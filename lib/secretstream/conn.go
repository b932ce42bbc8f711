// Package secretstream encrypts a byte stream between two peers as stock does: a Noise XX handshake, then libsodium's
// secretstream.
package secretstream

import (
	"context"
	"errors"
	"io"
)

// MaxMessage is the longest message in bytes: what a frame's three bytes of length can say, less tag and MAC.
const MaxMessage = maxFrame - overhead

const (
	maxFrame = 1<<24 - 1
	overhead = 17
)

// ErrHandshake, ErrFrame and ErrTooLong say why a connection cannot go on.
var (
	ErrHandshake = errors.New("handshake failed")
	ErrFrame     = errors.New("bad frame")
	ErrTooLong   = errors.New("message is too long")
)

// Options says which side we are.
type Options struct {
	Initiator bool
	Static    *[32]byte // seed of the static key pair; nil: a new one
	Rand      io.Reader // nil: crypto/rand
}

// Conn is an encrypted connection.
type Conn struct{}

// Handshake runs the handshake over rw.
func Handshake(ctx context.Context, rw io.ReadWriteCloser, opt Options) (*Conn, error) {
	return nil, ErrHandshake
}

// ReadMessage returns the next message that is not empty; valid until the next call.
func (c *Conn) ReadMessage() ([]byte, error) { return nil, io.EOF }

// WriteMessage queues one message, made of the parts, until Flush.
func (c *Conn) WriteMessage(parts ...[]byte) error { return nil }

// Flush writes what waits.
func (c *Conn) Flush() error { return nil }

// CloseWrite flushes and ends our direction.
func (c *Conn) CloseWrite() error { return nil }

// Close closes the byte stream. It may be called at any time.
func (c *Conn) Close() error { return nil }

// HandshakeHash returns what both sides, and nobody else, know of this connection.
func (c *Conn) HandshakeHash() [64]byte { return [64]byte{} }

// Initiator says whether we are the initiator.
func (c *Conn) Initiator() bool { return false }

// RemotePublic returns the remote's static public key.
func (c *Conn) RemotePublic() [32]byte { return [32]byte{} }
