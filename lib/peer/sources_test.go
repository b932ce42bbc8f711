package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
)

// afar is a listener whose connections come from where it is told.
type afar struct {
	net.Listener
	remotes chan string
}

func (l afar) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	remote, err := net.ResolveTCPAddr("tcp", <-l.remotes)
	return distant{conn, remote}, err
}

type distant struct {
	net.Conn
	remote net.Addr
}

func (d distant) RemoteAddr() net.Addr { return d.remote }

// Half of the connections may be from one address, or one network of IPv6; others go on being taken. This machine has no limit.
func TestServeSharesPlaces(t *testing.T) {
	l := afar{listen(t), make(chan string, 1)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, l, 4, func(ctx context.Context, c Conn, _ net.Addr) {
			defer context.AfterFunc(ctx, func() { c.Close() })()
			io.Copy(c, c)
		})
	}()
	come := func(remote string, want bool) Conn {
		t.Helper()
		l.remotes <- remote
		c := dial(t, l)
		_, err := c.Write([]byte("x"))
		if err == nil {
			_, err = io.ReadFull(c, make([]byte, 1))
		}
		if (err == nil) != want {
			t.Errorf("from %s: %v", remote, err)
		}
		return c
	}
	leave := func(c Conn) {
		t.Helper()
		c.CloseWrite()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
	for _, from := range []struct{ one, same, other string }{
		{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1"},
		{"[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8:0:1::1]:1"},
	} {
		first, second := come(from.one, true), come(from.same, true)
		come(from.one, false)
		other := come(from.other, true)
		for _, c := range []Conn{first, second, other} {
			leave(c)
		}
	}
	for range 4 {
		come("127.0.0.1:1", true)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
