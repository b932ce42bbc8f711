package peer

import (
	"bytes"
	"io"
	"sync"
	"testing"
	"time"
)

// Two connections that share a rate take, together, as long as it says, and all comes through; a pair without a limit shows
// that it is not the connection that is slow.
func TestLimiter(t *testing.T) {
	const size, rate = 40 << 10, 64 << 10 // two of them take 1.25 s, but for the first piece
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	move := func(limit func(Conn) Conn, reading bool) time.Duration {
		began := time.Now()
		var wait sync.WaitGroup
		for range 2 {
			l := listen(t)
			accepted := make(chan Conn, 1)
			go func() {
				c, err := l.Accept()
				if err != nil {
					t.Error(err)
				}
				accepted <- socket{c}
			}()
			from := dial(t, l)
			to := <-accepted
			if reading {
				to = limit(to)
			} else {
				from = limit(from)
			}
			wait.Go(func() {
				if _, err := from.Write(data); err != nil {
					t.Error(err)
				}
				if err := from.CloseWrite(); err != nil {
					t.Error(err)
				}
			})
			wait.Go(func() {
				defer to.Close()
				got, err := io.ReadAll(to)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes came, %v", len(got), err)
				}
			})
		}
		wait.Wait()
		return time.Since(began)
	}
	least := time.Duration(2*size-minPiece) * time.Second / rate
	for name, took := range map[string]time.Duration{
		"writing": move(NewLimiter(rate).Writing, false),
		"reading": move(NewLimiter(rate).Reading, true),
	} {
		if took < least {
			t.Errorf("%s took %v, want at least %v", name, took, least)
		}
	}
	if took := move((*Limiter)(nil).Writing, false); took >= least {
		t.Logf("without a limit it took %v", took)
	}
}

func TestLimiterClose(t *testing.T) {
	l := listen(t)
	c := NewLimiter(1).Writing(dial(t, l))
	done := make(chan error)
	go func() {
		_, err := c.Write(make([]byte, 1<<20)) // two minutes at the lowest rate
		done <- err
	}()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-done:
		if err == nil {
			t.Error("a megabyte passed at once")
		}
	case <-time.After(time.Minute):
		t.Error("Close does not end a write that waits")
	}
}
