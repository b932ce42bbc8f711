package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Listen listens on a TCP address, HOST:PORT, :PORT or HOST. The port defaults to [DefaultPort]; 0 stands for any free one,
// which the listener's Addr then names.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	if err := CheckListen(address); err != nil {
		return nil, err
	}
	hostPort, err := withPort(address)
	if err != nil {
		return nil, err
	}
	config := net.ListenConfig{KeepAliveConfig: keepAlive}
	l, err := config.Listen(ctx, "tcp", hostPort)
	if err != nil {
		return nil, err // names the address already
	}
	return l, nil
}

// CheckListen returns an error wrapping [ErrAddress] for an address that Listen would not accept.
func CheckListen(address string) error {
	if _, err := withPort(address); err != nil {
		return fmt.Errorf("listening on %q: %w", address, err)
	}
	return nil
}

// Serve accepts connections and passes each to handle, in a goroutine of its own, until ctx ends. While max are being handled,
// the next ones wait in the system's queue; at most half of max are from one address. Serve closes the listener, and each
// connection when its handle has returned. It returns when all have: handle must watch the context that it is given, which
// ends with ctx. The error is nil if ctx has ended, else it says why nothing can be accepted any more.
func Serve(ctx context.Context, l net.Listener, max int, handle func(ctx context.Context, c Conn, remote net.Addr)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	var handlers sync.WaitGroup
	defer handlers.Wait()
	defer cancel() // before the wait: handlers that are left end now
	free := make(chan struct{}, max)
	sources := sources{most: (max + 1) / 2, conns: map[netip.Prefix]int{}}
	for {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := accept(ctx, l)
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			return err
		}
		source, ok := sources.enter(conn.RemoteAddr())
		if !ok {
			conn.Close()
			<-free
			continue
		}
		handlers.Go(func() {
			defer func() { <-free }()
			defer sources.leave(source)
			defer conn.Close()
			handle(ctx, socket{conn}, conn.RemoteAddr())
		})
	}
}

// accept waits and retries while the system lacks resources: open connections may end.
func accept(ctx context.Context, l net.Listener) (net.Conn, error) {
	const longest = time.Second
	for delay := 5 * time.Millisecond; ; delay = min(2*delay, longest) {
		conn, err := l.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) || !isRefusedForNow(err) {
			return conn, err
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, err
		}
	}
}
