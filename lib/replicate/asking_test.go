package replicate

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"hc/lib/keys"
	"hc/lib/objects"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
	"hc/lib/replicate/publish"
)

// asking is a peer that says what a test tells it to, and collects what comes.
type asking struct {
	t       *testing.T
	mux     *protomux.Mux
	link    link
	ended   chan error
	channel *protomux.Channel
	heard   chan message
	deaf    atomic.Bool   // its read loop stops at the next message
	hears   chan struct{} // closed: it goes on
	length  uint64        // that the server has told of, for whom it matters
}

// message is what came on a channel. kind is typeOpened or typeClosed for its begin and end.
type message struct {
	kind uint64
	body []byte
}

const (
	typeOpened = 100 + iota
	typeClosed
)

// ask connects to a server without opening anything yet.
func ask(t *testing.T, conn *net.TCPConn, key keys.Key) *asking {
	t.Helper()
	a := &asking{t: t, ended: make(chan error, 1), heard: make(chan message, 1<<16), hears: make(chan struct{})}
	mux, secret, err := connect(t.Context(), conn, true, limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.mux, a.link = mux, link{key: key, handshakeHash: secret.HandshakeHash(), initiator: true}
	mux.OnPair(func(protocol string, id, _ []byte) {
		if protocol == messages.Protocol {
			_, _ = mux.Open(protocol, id, a.link.open(), a)
		}
	})
	background(t, func(ctx context.Context) { a.ended <- mux.Run(ctx) })
	return a
}

// open opens the core's channel.
func (a *asking) open() *asking {
	a.t.Helper()
	id := keys.DiscoveryKey(a.link.key)
	channel, err := a.mux.Open(messages.Protocol, id[:], a.link.open(), a)
	if err != nil {
		a.t.Fatal(err)
	}
	a.channel = channel
	return a
}

// openObjects opens the channel of an hc reader.
func (a *asking) openObjects() *asking {
	a.t.Helper()
	id := keys.DiscoveryKey(a.link.key)
	channel, err := a.mux.Open(objects.Protocol, id[:], a.link.capability(), a)
	if err != nil {
		a.t.Fatal(err)
	}
	a.channel = channel
	return a
}

// openPublish opens the channel where lengths are reserved.
func (a *asking) openPublish() *asking {
	a.t.Helper()
	id := keys.DiscoveryKey(a.link.key)
	channel, err := a.mux.Open(publish.Protocol, id[:], a.link.capability(), a)
	if err != nil {
		a.t.Fatal(err)
	}
	a.channel = channel
	return a
}

func (a *asking) OnOpen(_ *protomux.Channel, handshake []byte) error {
	a.heard <- message{typeOpened, bytes.Clone(handshake)}
	return nil
}

func (a *asking) OnMessage(_ *protomux.Channel, kind uint64, body []byte) error {
	if a.deaf.Load() {
		<-a.hears
		return nil
	}
	a.heard <- message{kind, bytes.Clone(body)}
	return nil
}

func (a *asking) OnClose(_ *protomux.Channel, err error) {
	a.heard <- message{typeClosed, []byte(fmt.Sprint(err))}
}

// next returns the next message that fits, passing over others.
func (a *asking) next(what string, fits func(m message) bool) message {
	a.t.Helper()
	deadline := time.After(waitLimit)
	for {
		select {
		case m := <-a.heard:
			if fits(m) {
				return m
			}
		case <-deadline:
			a.t.Fatalf("no %s came", what)
		}
	}
}

func (a *asking) await(kind uint64) []byte {
	a.t.Helper()
	return a.next(fmt.Sprintf("message of type %d", kind), func(m message) bool { return m.kind == kind }).body
}

func (a *asking) send(kind uint64, body []byte) {
	a.t.Helper()
	if err := a.channel.Send(kind, body); err != nil {
		a.t.Fatal(err)
	}
}
