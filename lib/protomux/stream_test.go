package protomux_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"testing"

	"hc/lib/peer"
	"hc/lib/protomux"
	"hc/lib/secretstream"
)

// echo answers each message of type 0 with its body as type 1, and counts the answers.
type echo struct {
	answers chan uint64
	closed  chan error
}

func newEcho() *echo { return &echo{make(chan uint64, 1<<16), make(chan error, 1)} }

func (e *echo) OnOpen(*protomux.Channel, []byte) error { return nil }

func (e *echo) OnMessage(ch *protomux.Channel, typ uint64, body []byte) error {
	if typ == 0 {
		return ch.Send(1, body)
	}
	e.answers <- binary.LittleEndian.Uint64(body)
	return nil
}

func (e *echo) OnClose(_ *protomux.Channel, err error) { e.closed <- err }

// TestOverTCP runs muxes on secretstreams on TCP connections, several at a time.
func TestOverTCP(t *testing.T) {
	l, err := peer.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- peer.Serve(ctx, l, 8, serveEcho) }()
	const clients, messages = 3, 500
	ended := make(chan error, clients)
	for range clients {
		go func() { ended <- askEcho(t.Context(), l.Addr().String(), messages) }()
	}
	for range clients {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func serveEcho(ctx context.Context, c peer.Conn, _ net.Addr) {
	s, err := secretstream.Handshake(ctx, c, secretstream.Options{})
	if err != nil {
		return
	}
	m := protomux.New(s, protomux.Options{})
	m.OnPair(func(protocol string, id, handshake []byte) { m.Open(protocol, id, nil, newEcho()) })
	m.Run(ctx)
}

func askEcho(ctx context.Context, address string, messages int) error {
	c, err := peer.Dial(ctx, address)
	if err != nil {
		return err
	}
	s, err := secretstream.Handshake(ctx, c, secretstream.Options{Initiator: true})
	if err != nil {
		return err
	}
	m := protomux.New(s, protomux.Options{})
	e := newEcho()
	ch, err := m.Open("echo", []byte("id"), nil, e)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	body := make([]byte, 20_000)
	for i := range messages {
		n := 8 + (i*7919)%(len(body)-8)
		binary.LittleEndian.PutUint64(body, uint64(i))
		if err := ch.Send(0, body[:8], body[8:n]); err != nil {
			return err
		}
	}
	for i := range messages {
		select {
		case got := <-e.answers:
			if got != uint64(i) {
				return fmt.Errorf("answer %d, want %d", got, i)
			}
		case err := <-ended:
			return fmt.Errorf("ended early: %w", err)
		}
	}
	m.Close(nil)
	if err := <-ended; err != nil {
		return err
	}
	if err := <-e.closed; err != protomux.ErrClosed {
		return fmt.Errorf("closed with %v", err)
	}
	return nil
}

// BenchmarkEcho measures small messages there and back, many at once.
func BenchmarkEcho(b *testing.B) {
	left, right := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		serveEcho(ctx, pipeConn{right}, nil)
	}()
	s, err := secretstream.Handshake(ctx, left, secretstream.Options{Initiator: true})
	if err != nil {
		b.Fatal(err)
	}
	m := protomux.New(s, protomux.Options{})
	e := newEcho()
	ch, err := m.Open("echo", nil, nil, e)
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	body := make([]byte, 24)
	const window = 48
	waiting := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := ch.Send(0, body); err != nil {
			b.Fatal(err)
		}
		if waiting++; waiting == window {
			for ; waiting > window/2; waiting-- {
				<-e.answers
			}
		}
	}
	m.Close(nil)
	<-ended
	<-done
}

type pipeConn struct{ net.Conn }

func (c pipeConn) CloseWrite() error { return c.Close() }
