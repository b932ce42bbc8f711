package protomux

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSendWaitsForAPeerWhoDoesNotRead(t *testing.T) {
	a, b := newMemPair(0)
	m := New(a, Options{QueueLimit: 10_000, KeepAlive: -1})
	c := mustOpen(t, m, "p", "x", "", newRecorder())
	ended := run(t, m)
	const senders, each = 4, 200
	body := make([]byte, 500)
	var wait sync.WaitGroup
	for range senders {
		wait.Go(func() {
			for range each {
				if err := c.Send(1, body); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wait.Wait()
		close(done)
	}()
	got := 0
	for got < senders*each {
		if q := c.Queued(); q > 10_000+senders*(500+2*perMessage) {
			t.Fatalf("%d bytes queued", q)
		}
		select {
		case <-done:
			if got == 0 {
				t.Fatal("nobody has waited")
			}
		default:
		}
		message, err := b.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if err := decode(message, func(channel, typ uint64, body []byte, _ bool) error {
			if channel == 1 {
				got++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	m.Close(errors.New("enough"))
	if err := <-ended; err == nil || err.Error() != "enough" {
		t.Errorf("ended with %v", err)
	}
}

func TestClosesEndWaitingSends(t *testing.T) {
	for name, end := range map[string]func(m *Mux, c *Channel, b *memConn){
		"channel":  func(m *Mux, c *Channel, b *memConn) { c.Close() },
		"mux":      func(m *Mux, c *Channel, b *memConn) { m.Close(nil) },
		"reason":   func(m *Mux, c *Channel, b *memConn) { m.Close(errors.New("enough")) },
		"the peer": func(m *Mux, c *Channel, b *memConn) { b.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newMemPair(0)
			m := New(a, Options{QueueLimit: 1, Linger: time.Millisecond})
			c := mustOpen(t, m, "p", "x", "", newRecorder())
			run(t, m)
			done := make(chan error, 1)
			go func() {
				for {
					if err := c.Send(1, make([]byte, 10)); err != nil {
						done <- err
						return
					}
				}
			}()
			end(m, c, b)
			if err := <-done; !errors.Is(err, ErrClosed) {
				t.Errorf("error %v, want %v", err, ErrClosed)
			}
		})
	}
}

// TestBacklog has a peer ask and ask without reading the answers, which the read loop sends.
func TestBacklog(t *testing.T) {
	a, b := newMemPair(0)
	m := New(a, Options{QueueLimit: 1000, LoopLimit: 20_000})
	r := newRecorder()
	most := 0
	r.onMessage = func(ch *Channel, typ uint64, body []byte) error {
		defer func() { most = max(most, ch.Queued()) }()
		return deep(200, func() error { return ch.Send(3, make([]byte, 500)) })
	}
	m.OnPair(func(protocol string, id, handshake []byte) { mustOpen(t, m, protocol, string(id), "", r) })
	ended := run(t, m)
	b.WriteMessage([]byte(openX))
	for {
		b.WriteMessage([]byte("\x01\x01more"))
		if err := b.Flush(); err != nil {
			break
		}
	}
	err := <-ended
	if !errors.Is(err, ErrBacklog) || !errors.Is(err, ErrDropped) ||
		err.Error() != "peer dropped: it does not read what it has asked for" {
		t.Errorf("error %v, want %v", err, ErrBacklog)
	}
	if most > 1000+20_000+3*(500+perMessage) {
		t.Errorf("%d bytes were queued", most)
	}
	if events := r.wait(0); !strings.HasPrefix(events[len(events)-1], "close peer dropped") {
		t.Errorf("last event %q", events[len(events)-1])
	}
}

// deep calls f below n more calls.
func deep(n int, f func() error) error {
	if n == 0 {
		return f()
	}
	return deep(n-1, f)
}

func TestStall(t *testing.T) {
	a, _ := newMemPair(0)
	m := New(a, Options{Stall: 5 * time.Millisecond})
	mustOpen(t, m, "p", "x", "", newRecorder())
	if err := <-run(t, m); !errors.Is(err, ErrStalled) || !errors.Is(err, ErrDropped) {
		t.Errorf("error %v, want %v", err, ErrStalled)
	}
}

func TestCloseSendsWhatWaits(t *testing.T) {
	d := newDuo(t, Options{}, nil)
	ra, rb := newRecorder(), newRecorder()
	c := mustOpen(t, d.a, "p", "x", "", ra)
	mustOpen(t, d.b, "p", "x", "", rb)
	d.run(t)
	ra.wait(1)
	for range 50 {
		send(t, c, 1, strings.Repeat("x", 2*smallMessage))
	}
	d.a.Close(nil)
	for name, ended := range map[string]<-chan error{"a": d.endA, "b": d.endB} {
		if err := <-ended; err != nil {
			t.Errorf("%s ended with %v", name, err)
		}
	}
	if got := len(rb.wait(0)); got != 52 {
		t.Errorf("%d events at b, want 52", got)
	}
	wantEvents(t, "a", ra, "open ", "close "+ErrClosed.Error())
	if _, err := d.a.Open("p", nil, nil, ra); !errors.Is(err, ErrClosed) {
		t.Errorf("Open after the end: %v", err)
	}
}
