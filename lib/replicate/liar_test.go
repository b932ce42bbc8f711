package replicate

import (
	"context"
	"net"
	"slices"
	"sync"

	"hc/lib/hypercore"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
)

// liar is a peer that serves a core, but for what its hooks do.
type liar struct {
	core      *testCore
	snapshot  *hypercore.Snapshot
	link      link
	mux       *protomux.Mux
	length    uint64                                                      // that it claims to have
	capable   bool                                                        // sends the right capability
	onRequest func(l *liar, ch *protomux.Channel, r merkle.Request) error // nil: honest
	onOpen    func(l *liar, ch *protomux.Channel) error
	says      func(state *messages.Sync)                                      // changes what it tells of itself; nil: nothing
	ctx       context.Context                                                 // ends with the test
	onObjects func(l *liar, g *objectsServer, kind uint64, body []byte) error // on the channel for many blocks; nil: it has none
	knows     uint64                                                          // what it says there that it answers
	running   *sync.WaitGroup
}

// mute is the length of a liar that does not tell its state.
const mute = 1<<64 - 1

// later runs something beside the read loop.
func (l *liar) later(run func(ctx context.Context)) { l.running.Go(func() { run(l.ctx) }) }

func (c *testCore) lying(l *liar) *net.TCPConn {
	c.t.Helper()
	ours, theirs := pair(c.t)
	snapshot, err := hypercore.OpenSnapshot(c.t.Context(), c.store, c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	l.core, l.snapshot, l.length = c, snapshot, snapshot.Head().Length
	background(c.t, func(ctx context.Context) {
		l.ctx, l.running = ctx, &sync.WaitGroup{}
		defer l.running.Wait()
		mux, secret, err := connect(ctx, theirs, false, limits{}, nil)
		if err != nil {
			return
		}
		l.mux, l.link = mux, link{key: c.key, handshakeHash: secret.HandshakeHash()}
		mux.OnPair(func(protocol string, id, _ []byte) {
			if protocol == objects.Protocol && l.onObjects != nil {
				g := &objectsServer{conn: &serverConn{ctx: ctx, server: NewServer(c.store, ServerOptions{})}, link: l.link, core: &servedCore{key: c.key, users: 1}}
				_, _ = mux.Open(protocol, id, l.link.capability(), &falseServer{l, g})
			}
			if protocol != messages.Protocol {
				return
			}
			open := l.link.open()
			if !l.capable {
				open[5] ^= 1
			}
			_, _ = mux.Open(protocol, id, open, l)
		})
		_ = mux.Run(ctx)
	})
	return ours
}

func (l *liar) OnOpen(ch *protomux.Channel, _ []byte) error {
	state := messages.Sync{CanUpgrade: true, Uploading: true, Downloading: true, HasManifest: true, Length: l.length}
	if l.says != nil {
		l.says(&state)
	}
	if state.Length == mute {
		return nil
	}
	if err := ch.Send(messages.TypeSync, state.Append(nil)); err != nil {
		return err
	}
	if l.onOpen != nil {
		return l.onOpen(l, ch)
	}
	return ch.Send(messages.TypeRange, messages.Range{Length: l.length}.Append(nil))
}

func (l *liar) OnClose(*protomux.Channel, error) {}

func (l *liar) OnMessage(ch *protomux.Channel, kind uint64, body []byte) error {
	if kind != messages.TypeRequest {
		return nil
	}
	request, err := messages.DecodeRequest(body)
	if err != nil {
		return err
	}
	if l.onRequest != nil {
		return l.onRequest(l, ch, request)
	}
	return l.honest(ch, request, nil)
}

// honest answers as a real server does, after change had a look at the answer.
func (l *liar) honest(ch *protomux.Channel, request merkle.Request, change func(*merkle.Proof)) error {
	answer, memory, err := l.snapshot.Prove(context.Background(), request)
	if err != nil {
		return ch.Send(messages.TypeNoData, messages.NoData{Request: request.ID, Reason: messages.ReasonNotAvailable}.Append(nil))
	}
	defer memory.Release()
	if change != nil {
		if answer.Block != nil {
			answer.Block.Value = slices.Clone(answer.Block.Value) // others are given the same bytes
		}
		change(answer)
	}
	return ch.Send(messages.TypeData, appendData(nil, answer))
}
