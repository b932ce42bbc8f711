package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
)

// Each of these peers is dropped with its reason, and a good one beside it goes on.
func TestLiars(t *testing.T) {
	flip := func(change func(*merkle.Proof)) func(*liar, *protomux.Channel, merkle.Request) error {
		return func(l *liar, ch *protomux.Channel, r merkle.Request) error { return l.honest(ch, r, change) }
	}
	cases := []struct {
		name string
		liar liar
		want error
		says string
	}{
		{"wrong capability", liar{}, ErrPeer, "does not know the key"},
		{"a flipped bit in a block", liar{capable: true, onRequest: flip(func(p *merkle.Proof) {
			if p.Block != nil && len(p.Block.Value) > 0 {
				p.Block.Value[0] ^= 1
			}
		})}, merkle.ErrUnverified, ""},
		{"a flipped bit in a hash", liar{capable: true, onRequest: flip(func(p *merkle.Proof) {
			if p.Upgrade != nil {
				p.Upgrade.Nodes[0].Hash[3] ^= 1
			}
		})}, keys.ErrSignature, ""},
		{"a flipped bit in the signature", liar{capable: true, onRequest: flip(func(p *merkle.Proof) {
			if p.Upgrade != nil {
				p.Upgrade.Signature[9] ^= 1
			}
		})}, keys.ErrSignature, ""},
		{"another manifest", liar{capable: true, onRequest: flip(func(p *merkle.Proof) {
			if p.Manifest != nil {
				p.Manifest[50] ^= 1
			}
		})}, keys.ErrManifest, ""},
		{"another block than asked for", liar{capable: true, onRequest: flip(func(p *merkle.Proof) {
			if p.Block != nil {
				p.Block.Index++
			}
		})}, ErrPeer, "something else"},
		{"data that was not asked for", liar{capable: true, onRequest: flip(func(p *merkle.Proof) { p.ID += 1000 })}, ErrPeer, "not asked for"},
		{"a refusal of nothing", liar{capable: true, onRequest: func(_ *liar, ch *protomux.Channel, _ merkle.Request) error {
			return ch.Send(messages.TypeNoData, messages.NoData{Request: 4711}.Append(nil))
		}}, ErrPeer, "was not made"},
		{"a message that is none", liar{capable: true, onRequest: func(_ *liar, ch *protomux.Channel, _ merkle.Request) error {
			return ch.Send(messages.TypeData, []byte{0xff})
		}}, messages.ErrMalformed, "data"},
		{"silence", liar{capable: true, onRequest: func(*liar, *protomux.Channel, merkle.Request) error { return nil }}, ErrLost, "stalled"},
		{"hanging up", liar{capable: true, onRequest: func(l *liar, _ *protomux.Channel, _ merkle.Request) error {
			l.mux.Close(errors.New("enough"))
			return nil
		}}, ErrLost, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			core := newCore(t, 300)
			options := FetchOptions{Stall: waitLimit}
			if c.name == "silence" {
				options.Stall = shortStall
			}
			alone := c.liar
			_, err := read(t, newStore(t), core.key, proof.Claim{}, options, core.lying(&alone))
			if !errors.Is(err, c.want) || !bytes.Contains([]byte(fmt.Sprint(err)), []byte(c.says)) {
				t.Errorf("alone: %v, want %v with %q", err, c.want, c.says)
			}
			beside := c.liar
			got, err := read(t, newStore(t), core.key, proof.Claim{}, options, core.lying(&beside), core.serving(ServerOptions{}))
			if err != nil || !bytes.Equal(got, core.bytes()) {
				t.Errorf("beside a good peer: %d bytes, %v", len(got), err)
			}
		})
	}
}

// A pair of sizes that is forged so that its sum stays is accepted by the hashes; it must not lead to other bytes.
func TestForgedSizesMoveNothing(t *testing.T) {
	core := newCore(t, 300)
	forge := func(nodes []merkle.Node) {
		for i := 0; i+1 < len(nodes); i++ {
			if merkle.Sibling(nodes[i].Index) == nodes[i+1].Index && nodes[i].Size > 3 {
				nodes[i].Size -= 3
				nodes[i+1].Size += 3
			}
		}
	}
	for _, at := range []uint64{0, 100, 5000, 12345, uint64(len(core.bytes())) - 1} {
		claim := proof.Claim{Kind: proof.KindBytes, From: at, To: at}
		forger := &liar{capable: true, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error {
			return l.honest(ch, r, func(p *merkle.Proof) {
				if p.Hash != nil {
					forge(p.Hash.Nodes)
				}
				if p.Block != nil {
					forge(p.Block.Nodes)
				}
			})
		}}
		got, err := read(t, newStore(t), core.key, claim, FetchOptions{}, core.lying(forger))
		if err == nil && !bytes.Equal(got, core.bytes()[at:at+1]) {
			t.Errorf("byte %d: got %q, want %q", at, got, core.bytes()[at:at+1])
		}
		if err != nil && !verification(err) && !errors.Is(err, ErrLost) {
			t.Errorf("byte %d: %v", at, err)
		}
	}
}

// A server drops who asks for nonsense, or floods it and does not read the answers, and goes on with others.
func TestServerDropsFloods(t *testing.T) {
	core := newCore(t, 300)
	floods := map[string]struct {
		request merkle.Request
		count   int
		deaf    bool
		says    string
	}{
		"nonsense":         {merkle.Request{Block: &merkle.BlockRequest{Index: 0, Nodes: 60}}, maxInvalid + 1, false, "make no sense"},
		"too much at once": {merkle.Request{Block: &merkle.BlockRequest{Index: 5}}, 20 * maxQueued, true, ""},
	}
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			dropped := make(chan error, 1)
			options := ServerOptions{Dropped: func(_ string, reason error) { dropped <- reason }}
			if flood.deaf {
				options.Stall = time.Second
			}
			conn := core.serving(options)
			flooder := &flooder{core: core, request: flood.request, count: flood.count, deaf: flood.deaf}
			background(t, func(ctx context.Context) { flooder.run(ctx, conn) })
			select {
			case reason := <-dropped:
				if !errors.Is(reason, ErrPeer) && !errors.Is(reason, protomux.ErrDropped) || !bytes.Contains([]byte(reason.Error()), []byte(flood.says)) {
					t.Errorf("dropped because of %v", reason)
				}
			case <-time.After(waitLimit):
				t.Error("not dropped")
			}
			got, err := read(t, newStore(t), core.key, proof.Claim{}, FetchOptions{}, core.serving(ServerOptions{}))
			if err != nil || !bytes.Equal(got, core.bytes()) {
				t.Errorf("another reader: %d bytes, %v", len(got), err)
			}
		})
	}
}

// Who asks for more than may wait, and reads the answers, gets all of them, as stock does for a large file of a drive.
func TestServerAnswersFloods(t *testing.T) {
	core, count := newCore(t, 300), 5*maxQueued
	if testing.Short() {
		count = 2 * maxQueued
	}
	for name, request := range map[string]merkle.Request{
		"a block":      {Block: &merkle.BlockRequest{Index: 5}},
		"another fork": {Fork: 7, Block: &merkle.BlockRequest{Index: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			conn := core.serving(ServerOptions{Dropped: func(_ string, reason error) { t.Errorf("dropped because of %v", reason) }})
			flooder := &flooder{core: core, request: request, count: count, answered: make(chan struct{})}
			background(t, func(ctx context.Context) { flooder.run(ctx, conn) })
			select {
			case <-flooder.answered:
			case <-time.After(waitLimit):
				t.Error("not all of it was answered")
			}
		})
	}
}

// flooder is a reader that asks and asks, and if it is deaf reads nothing.
type flooder struct {
	core     *testCore
	request  merkle.Request
	count    int
	deaf     bool
	answers  int
	answered chan struct{} // closed when all of it was
	ctx      context.Context
}

func (f *flooder) run(ctx context.Context, conn *net.TCPConn) {
	f.ctx = ctx
	mux, secret, err := connect(ctx, conn, true, limits{}, nil)
	if err != nil {
		return
	}
	id := keys.DiscoveryKey(f.core.key)
	l := link{key: f.core.key, handshakeHash: secret.HandshakeHash(), initiator: true}
	if _, err := mux.Open(messages.Protocol, id[:], l.open(), f); err != nil {
		return
	}
	_ = mux.Run(ctx)
}

func (f *flooder) OnOpen(ch *protomux.Channel, _ []byte) error {
	go func() {
		for i := range f.count {
			f.request.ID = uint64(i + 1)
			if ch.Send(messages.TypeRequest, messages.AppendRequest(nil, f.request)) != nil {
				return
			}
		}
	}()
	return nil
}

func (f *flooder) OnMessage(_ *protomux.Channel, kind uint64, _ []byte) error {
	if f.deaf {
		<-f.ctx.Done()
	}
	if kind == messages.TypeData || kind == messages.TypeNoData {
		if f.answers++; f.answers == f.count {
			close(f.answered)
		}
	}
	return nil
}

func (f *flooder) OnClose(*protomux.Channel, error) {}
