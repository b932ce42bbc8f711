package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

func TestWithPort(t *testing.T) {
	tests := []struct{ in, want, wantErr string }{
		{"example.org", "example.org:4977", ""},
		{"example.org:1", "example.org:1", ""},
		{"example.org:", "example.org:4977", ""},
		{"127.0.0.1", "127.0.0.1:4977", ""},
		{":80", ":80", ""},
		{"::1", "[::1]:4977", ""},
		{"[::1]", "[::1]:4977", ""},
		{"[::1]:80", "[::1]:80", ""},
		{"[fe80::1%eth0]:80", "[fe80::1%eth0]:80", ""},
		{"", "", "not an address: it is empty"},
		{"4977", "", "not an address: a port alone is written :4977"},
		{"a:b:c", "", "not an address: address a:b:c: too many colons in address"},
		{"a:99999", "", `not an address: no port "99999"`},
		{"a:nosuchservice", "", `not an address: no port "nosuchservice"`},
		{"[::1", "", "not an address: address [::1: missing ']' in address"},
	}
	for _, test := range tests {
		got, err := withPort(test.in)
		if got != test.want || (err == nil) != (test.wantErr == "") || err != nil && err.Error() != test.wantErr {
			t.Errorf("withPort(%q) = %q, %v, want %q, %q", test.in, got, err, test.want, test.wantErr)
		}
		if err := CheckAddress(test.in); errors.Is(err, ErrAddress) != (test.wantErr != "") {
			t.Errorf("CheckAddress(%q) = %v", test.in, err)
		}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, l net.Listener) Conn {
	t.Helper()
	c, err := Dial(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestServe(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	var running, most atomic.Int32
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, l, 2, func(ctx context.Context, c Conn, remote net.Addr) {
			now := running.Add(1)
			defer running.Add(-1)
			if now > most.Load() {
				most.Store(now)
			}
			stop := context.AfterFunc(ctx, func() { c.Close() })
			defer stop()
			io.Copy(c, c)
		})
	}()
	var conns []Conn
	for range 2 {
		c := dial(t, l)
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	third := dial(t, l) // waits in the system's queue
	if _, err := third.Write([]byte("third")); err != nil {
		t.Fatal(err)
	}
	if err := conns[0].CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := conns[0].Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after CloseWrite: %v, want EOF", err)
	}
	if _, err := io.ReadFull(third, make([]byte, 5)); err != nil {
		t.Errorf("the third one: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if running.Load() != 0 || most.Load() != 2 {
		t.Errorf("%d handlers left, %d at a time, want 0, 2", running.Load(), most.Load())
	}
	if _, err := conns[1].Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived Serve")
	}
}

func TestServeOnAClosedListener(t *testing.T) {
	l := listen(t)
	l.Close()
	err := Serve(t.Context(), l, 1, func(context.Context, Conn, net.Addr) {})
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want %v", err, net.ErrClosed)
	}
}

func TestDialUnreachable(t *testing.T) {
	l := listen(t)
	address := l.Addr().String()
	l.Close()
	_, err := Dial(t.Context(), address)
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), address) {
		t.Errorf("error %v, want %v and the address", err, ErrUnreachable)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, address); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnreachable) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if _, err := Dial(t.Context(), ""); !errors.Is(err, ErrAddress) || err.Error() != `dialling "": not an address: it is empty` {
		t.Errorf("error %v", err)
	}
}

// TestWriteToAPeerWhoHasGone checks that a broken connection has one name.
func TestWriteToAPeerWhoHasGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	c := Stdio(strings.NewReader(""), w)
	if _, err := c.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v, want %v", err, io.ErrClosedPipe)
	}
}

func TestStdio(t *testing.T) {
	for _, closers := range []bool{false, true} {
		t.Run(fmt.Sprintf("closers=%v", closers), func(t *testing.T) {
			inR, inW := io.Pipe()
			outR, outW := io.Pipe()
			defer inW.Close()
			defer outR.Close()
			c := Stdio(inR, outW)
			if !closers {
				c = Stdio(onlyReader{inR}, onlyWriter{outW})
			}
			text := bytes.Repeat([]byte("0123456789"), 3*pumpBuffer/10)
			go inW.Write(text)
			got := make([]byte, len(text))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("read: %v, equal: %v", err, bytes.Equal(got, text))
			}
			go c.Write(text)
			clear(got)
			if _, err := io.ReadFull(outR, got); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("written: %v, equal: %v", err, bytes.Equal(got, text))
			}
			closeUnblocks(t, c)
		})
	}
}

// closeUnblocks closes a stream to a peer that neither writes nor reads.
func closeUnblocks(t *testing.T, c Conn) {
	t.Helper()
	done := make(chan error, 2)
	go func() {
		_, err := c.Read(make([]byte, 1))
		done <- err
	}()
	go func() {
		for {
			if _, err := c.Write(make([]byte, 1<<20)); err != nil {
				done <- err
				return
			}
		}
	}()
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	for range 2 {
		if err := <-done; err == nil {
			t.Error("a call that ended without an error")
		}
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

type onlyReader struct{ io.Reader }
type onlyWriter struct{ io.Writer }

func TestStdioEnds(t *testing.T) {
	var out bytes.Buffer
	c := Stdio(strings.NewReader("all"), &out)
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "all" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := c.Write([]byte("answer")); err != nil || out.String() != "answer" {
		t.Errorf("wrote %q, %v", out.String(), err)
	}
	if err := errors.Join(c.CloseWrite(), c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
}

func TestTCPCloseUnblocks(t *testing.T) { closeUnblocks(t, dial(t, listen(t))) }
