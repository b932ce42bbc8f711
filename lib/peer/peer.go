// Package peer makes byte streams to other programs: over TCP, over a command's stdin and stdout, over our own.
package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// DefaultPort is dialled where an address names none.
const DefaultPort = "4977"

// ErrUnreachable says that no byte ever came from the other end.
var ErrUnreachable = errors.New("unreachable")

// Conn is a byte stream to a peer.
type Conn interface {
	io.ReadWriteCloser
	CloseWrite() error // ends our direction; the other one goes on
}

// ExecOptions has a useful zero value.
type ExecOptions struct {
	Stderr io.Writer     // where the command's stderr goes; nil: nowhere
	Grace  time.Duration // how long Close waits for the command to end by itself; 0: 2 s
}

// Dial connects to HOST, HOST:PORT or [IPV6]:PORT.
func Dial(ctx context.Context, address string) (Conn, error) { return nil, ErrUnreachable }

// Listen listens on HOST:PORT or :PORT.
func Listen(ctx context.Context, address string) (net.Listener, error) { return nil, ErrUnreachable }

// Serve accepts connections until ctx ends, at most max at a time, and waits for all handlers.
func Serve(ctx context.Context, l net.Listener, max int, handle func(context.Context, Conn)) error {
	return nil
}

// Exec runs a command in a shell; its stdin and stdout are the connection.
func Exec(ctx context.Context, command string, opt ExecOptions) (Conn, error) {
	return nil, ErrUnreachable
}

// Stdio returns a connection over our own stdin and stdout.
func Stdio(in io.Reader, out io.Writer) Conn { return nil }
