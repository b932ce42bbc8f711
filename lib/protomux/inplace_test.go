package protomux_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"hc/lib/protomux"
	"hc/lib/secretstream"
)

// muxPair is both ends of a connection that is encrypted, over which protocol "p", id "x" is open.
type muxPair struct {
	near *protomux.Channel
	mux  *protomux.Mux // of near
	ends chan error    // how both muxes ended
	long chan struct{} // closed when near begins to write something long
}

// hearer passes on what it is told.
type hearer struct {
	opened  chan *protomux.Channel
	message func(typ uint64, body []byte)
}

func (h *hearer) OnOpen(ch *protomux.Channel, _ []byte) error {
	h.opened <- ch
	return nil
}

func (h *hearer) OnMessage(_ *protomux.Channel, typ uint64, body []byte) error {
	h.message(typ, body)
	return nil
}

func (h *hearer) OnClose(*protomux.Channel, error) {}

// telling tells when a long write begins.
type telling struct {
	net.Conn
	tell func()
}

func (c telling) Write(b []byte) (int, error) {
	if len(b) > 100_000 {
		c.tell()
	}
	return c.Conn.Write(b)
}

// newMuxPair connects two muxes; what comes at the far one is told to message.
func newMuxPair(t *testing.T, opt protomux.Options, message func(typ uint64, body []byte)) *muxPair {
	t.Helper()
	left, right := net.Pipe()
	p := &muxPair{ends: make(chan error, 2), long: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		wait.Wait()
	})
	start := func(stream io.ReadWriteCloser, initiator bool, h *hearer) *protomux.Mux {
		s, err := secretstream.Handshake(ctx, stream, secretstream.Options{Initiator: initiator})
		if err != nil {
			t.Error(err)
			return nil
		}
		m := protomux.New(s, opt)
		if _, err := m.Open("p", []byte("x"), nil, h); err != nil {
			t.Error(err)
		}
		wait.Go(func() { p.ends <- m.Run(ctx) })
		return m
	}
	far := &hearer{make(chan *protomux.Channel, 1), message}
	near := &hearer{make(chan *protomux.Channel, 1), nothing}
	wait.Go(func() { start(right, false, far) })
	p.mux = start(telling{left, sync.OnceFunc(func() { close(p.long) })}, true, near)
	p.near = <-near.opened
	return p
}

func nothing(uint64, []byte) {}

// framed returns a buffer for a body of n bytes, and where that begins.
func framed(n int) (buf []byte, at int) {
	buf = make([]byte, protomux.HeadRoom+n, protomux.HeadRoom+n+protomux.TailRoom)
	return buf, protomux.HeadRoom
}

// What several goroutines send, in place, queued or in batches, comes whole, and what one of them sends in its order. Each uses its buffer
// again, with other bytes, as soon as it is its own: that changes nothing of what was sent.
func TestWriteInPlaceInOrder(t *testing.T) {
	const senders, messages, most = 4, 40, 80_000
	next := make([]uint64, senders)
	came := make(chan error, senders*messages)
	content := func(sender, number uint64, n int) []byte {
		b := make([]byte, n)
		_, _ = rand.NewChaCha8([32]byte{byte(sender), byte(number)}).Read(b)
		return b
	}
	check := func(typ uint64, body []byte) {
		number := binary.LittleEndian.Uint64(body)
		switch {
		case number != next[typ]:
			came <- fmt.Errorf("message %d of sender %d came, expected %d", number, typ, next[typ])
		case !bytes.Equal(body[8:], content(typ, number, len(body)-8)):
			came <- fmt.Errorf("message %d of sender %d, of %d bytes, differs", number, typ, len(body))
		default:
			came <- nil
		}
		next[typ]++
	}
	p := newMuxPair(t, protomux.Options{}, check)
	var wait sync.WaitGroup
	for sender := range uint64(senders) {
		wait.Go(func() {
			buf, at := framed(8 + most)
			sizes := rand.New(rand.NewPCG(sender, 1))
			for number := range uint64(messages) {
				n := sizes.IntN(most)
				body := buf[at : at+8+n]
				binary.LittleEndian.PutUint64(body, number)
				copy(body[8:], content(sender, number, n))
				var err error
				if number%3 == 0 {
					err = p.near.Send(sender, body)
				} else {
					err = p.near.WriteInPlace(sender, buf[:at+8+n], at)
				}
				if err != nil {
					t.Error(err)
					return
				}
				for i := range buf[:cap(buf)] {
					buf[:cap(buf)][i] = 0xaa
				}
			}
		})
	}
	for range senders * messages {
		if err := <-came; err != nil {
			t.Fatal(err)
		}
	}
	wait.Wait()
}

// The room that is asked for is enough for the connection below.
func TestRoomForSecretstream(t *testing.T) {
	if protomux.HeadRoom < secretstream.HeadRoom+2*9 || protomux.TailRoom < secretstream.TailRoom {
		t.Errorf("%d and %d bytes of room, of which a secretstream takes %d and %d", protomux.HeadRoom, protomux.TailRoom, secretstream.HeadRoom, secretstream.TailRoom)
	}
}

// Who waits for a peer that does not read is not waited for by what the read loop sends, and a Close ends it.
func TestWriteInPlaceStuck(t *testing.T) {
	blocked := make(chan struct{})
	reading := make(chan struct{}, 1)
	p := newMuxPair(t, protomux.Options{KeepAlive: -1}, func(uint64, []byte) {
		reading <- struct{}{}
		<-blocked
	})
	defer close(blocked)
	if err := p.near.Send(1, []byte("from now on nothing is read")); err != nil {
		t.Fatal(err)
	}
	<-reading
	done := make(chan error, 1)
	go func() {
		buf, at := framed(4 << 20)
		done <- p.near.WriteInPlace(1, buf, at)
	}()
	<-p.long
	cause := errors.New("enough")
	p.mux.Close(cause)
	if err := <-done; !errors.Is(err, protomux.ErrClosed) {
		t.Errorf("error %v, want %v", err, protomux.ErrClosed)
	}
	buf, at := framed(10)
	if err := p.near.WriteInPlace(1, buf, at); !errors.Is(err, protomux.ErrClosed) || !errors.Is(err, cause) {
		t.Errorf("then %v, want %v", err, cause)
	}
}

// A peer that takes no byte of a message that is written in place is dropped, as of any other.
func TestWriteInPlaceStalls(t *testing.T) {
	blocked := make(chan struct{})
	p := newMuxPair(t, protomux.Options{KeepAlive: -1, Stall: 2 * time.Second}, func(uint64, []byte) { <-blocked })
	defer close(blocked)
	buf, at := framed(4 << 20)
	if err := p.near.Send(1, []byte("from now on nothing is read")); err != nil {
		t.Fatal(err)
	}
	if err := p.near.WriteInPlace(1, buf, at); !errors.Is(err, protomux.ErrClosed) {
		t.Errorf("error %v, want %v", err, protomux.ErrClosed)
	}
	var drop *protomux.DropError
	if err := <-p.ends; !errors.As(err, &drop) || !errors.Is(err, protomux.ErrStalled) {
		t.Errorf("ended with %v, want %v", err, protomux.ErrStalled)
	}
}

func TestWriteInPlaceRefused(t *testing.T) {
	p := newMuxPair(t, protomux.Options{}, nothing)
	buf, at := framed(protomux.MaxMessage)
	if err := p.near.WriteInPlace(1, buf, at); !errors.Is(err, protomux.ErrTooLong) {
		t.Errorf("error %v, want %v", err, protomux.ErrTooLong)
	}
	p.near.Close()
	if err := p.near.WriteInPlace(1, buf[:at+5], at); !errors.Is(err, protomux.ErrClosed) {
		t.Errorf("on a closed channel: error %v, want %v", err, protomux.ErrClosed)
	}
}

// What waits when the connection is closed is still sent, also what is being written in place.
func TestWriteInPlaceDrains(t *testing.T) {
	var got []int
	held := make(chan struct{})
	p := newMuxPair(t, protomux.Options{}, func(_ uint64, body []byte) {
		if len(got) == 0 {
			<-held
		}
		got = append(got, len(body))
	})
	if err := p.near.Send(1, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		buf, at := framed(1 << 20)
		done <- p.near.WriteInPlace(1, buf, at)
	}()
	<-p.long
	p.mux.Close(nil)
	close(held)
	if err := <-done; err != nil {
		t.Errorf("what was under way: %v", err)
	}
	for range 2 {
		<-p.ends // a pipe has no half that could be closed, so one of them may have failed to read
	}
	if len(got) != 2 || got[1] != 1<<20 {
		t.Errorf("messages of %v bytes came", got)
	}
}
