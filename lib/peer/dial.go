package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Timeouts of TCP connections. A peer that has vanished is noticed after about a minute of silence.
const (
	dialTimeout       = 10 * time.Second
	keepAliveIdle     = 20 * time.Second
	keepAliveInterval = 10 * time.Second
	keepAliveCount    = 4
)

var keepAlive = net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount}

// Dial connects to a TCP address: HOST, HOST:PORT, [IPV6], [IPV6]:PORT or a bare IPv6 address; the port may be left out, see
// [DefaultPort]. It gives up after 10 seconds, or when ctx ends. Errors wrap [ErrUnreachable], [ErrAddress], or the cause of
// ctx.
func Dial(ctx context.Context, address string) (Conn, error) {
	hostPort, err := withPort(address)
	if err != nil {
		return nil, fmt.Errorf("dialling %q: %w", address, err)
	}
	dialer := net.Dialer{Timeout: dialTimeout, KeepAliveConfig: keepAlive}
	conn, err := dialer.DialContext(ctx, "tcp", hostPort)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("dialling %s: %w", hostPort, context.Cause(ctx))
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return socket{conn}, nil
}

// CheckAddress returns an error wrapping [ErrAddress] for an address that Dial would not accept.
func CheckAddress(address string) error {
	if _, err := withPort(address); err != nil {
		return fmt.Errorf("peer %q: %w", address, err)
	}
	return nil
}

// withPort adds the default port to an address that has none.
func withPort(address string) (string, error) {
	bare := address
	if inner, ok := strings.CutPrefix(address, "["); ok && strings.HasSuffix(inner, "]") {
		bare = strings.TrimSuffix(inner, "]")
	}
	switch {
	case address == "":
		return "", fmt.Errorf("%w: it is empty", ErrAddress)
	case net.ParseIP(bare) != nil && strings.Contains(bare, ":"):
		return net.JoinHostPort(bare, DefaultPort), nil // IPv6, with or without brackets
	case strings.Trim(address, "0123456789") == "":
		return "", fmt.Errorf("%w: a port alone is written :%s", ErrAddress, address)
	case !strings.Contains(address, ":"):
		return net.JoinHostPort(address, DefaultPort), nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrAddress, err)
	}
	if port == "" {
		port = DefaultPort
	}
	if _, err := net.LookupPort("tcp", port); err != nil { // asks no server
		return "", fmt.Errorf("%w: no port %q", ErrAddress, port)
	}
	return net.JoinHostPort(host, port), nil
}

// A socket is a connection of the system. By default Go sends small writes at once (NoDelay).
type socket struct{ net.Conn }

func (s socket) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	return n, gone(err)
}

func (s socket) Close() error {
	if err := s.Conn.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (s socket) CloseWrite() error {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return s.Close()
}
