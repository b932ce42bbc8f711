package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/replicate/answers"
	"hc/lib/replicate/messages"
)

// falseServer is a liar's channel for many blocks.
type falseServer struct {
	liar          *liar
	objectsServer *objectsServer
}

func (f *falseServer) OnOpen(ch *protomux.Channel, _ []byte) error {
	f.objectsServer.channel = ch
	if f.liar.knows == 0 {
		return nil
	}
	return ch.Send(objects.TypeKnows, objects.Knows{Bits: f.liar.knows}.Append(nil))
}

func (f *falseServer) OnMessage(_ *protomux.Channel, kind uint64, body []byte) error {
	return f.liar.onObjects(f.liar, f.objectsServer, kind, body)
}

func (f *falseServer) OnClose(*protomux.Channel, error) {}

// answering answers as a real server does, after change had a look at the answer.
func answering(leaves func(*objects.Leaves), blocks func(*objects.Blocks)) func(*liar, *objectsServer, uint64, []byte) error {
	return func(l *liar, g *objectsServer, kind uint64, body []byte) error {
		switch kind {
		case objects.TypeAskLeaves:
			ask, err := objects.DecodeAskLeaves(body)
			if err != nil {
				return err
			}
			answer, err := g.leaves(l.snapshot, ask)
			if err != nil {
				return err
			}
			if leaves != nil {
				leaves(&answer)
			}
			return g.channel.Send(objects.TypeLeaves, answer.Append(nil))
		case objects.TypeAskBlocks:
			ask, err := objects.DecodeAskBlocks(body)
			if err != nil {
				return err
			}
			answer, err := g.blocks(l.snapshot, ask, nil, answers.PackOptions{Most: objects.MaxRaw}, answers.Take(objects.MaxRaw))
			if err != nil {
				return err
			}
			if blocks != nil {
				blocks(&answer)
			}
			return sendBlocks(g.channel, answer)
		}
		return nil
	}
}

// onceFilled returns a store in which a reader asks for leaf hashes first: it holds the first half of the core's blocks, in another core.
func onceFilled(t *testing.T, core *testCore) *testCore {
	t.Helper()
	other := &testCore{t: t, store: newStore(t)}
	other.append(core.blocks[:len(core.blocks)/2]...)
	return other
}

// bulky is a core with blocks large enough that their hashes are asked for first.
func bulky(t *testing.T) *testCore {
	t.Helper()
	core := &testCore{t: t, store: newStore(t)}
	for i := range 300 {
		core.blocks = append(core.blocks, bytes.Repeat(fmt.Appendf(nil, "%d,", i), 300))
	}
	core.append(core.blocks...)
	return core
}

// A peer who lies on the channel for many blocks is dropped with its reason, a good one beside it goes on, and what comes out is right.
func TestLiarsOfManyBlocks(t *testing.T) {
	recode := func(p *objects.Piece, change func(blocks [][]byte) [][]byte) {
		blocks, err := objects.Blocks{Pieces: []objects.Piece{*p}}.Unpack()
		if err != nil {
			t.Fatal(err)
		}
		*p = pack(change(blocks), true)
	}
	zeros := pack([][]byte{make([]byte, objects.MaxBlock)}, true)
	bomb := zeros
	bomb.Raw, bomb.Lengths = 4000, []uint32{4000}
	cases := []struct {
		name   string
		answer func(*liar, *objectsServer, uint64, []byte) error
		want   error
	}{
		{"a wrong leaf hash", answering(func(m *objects.Leaves) { m.Leaves[len(m.Leaves)/2].Hash[3] ^= 1 }, nil), merkle.ErrUnverified},
		{"a wrong sum of sizes", answering(func(m *objects.Leaves) { m.Leaves[0].Size += 5 }, nil), merkle.ErrUnverified},
		{"a wrong node", answering(func(m *objects.Leaves) {
			for i := range m.Nodes {
				m.Nodes[i].Hash[3] ^= 1
			}
			m.Leaves[0].Hash[3] ^= 1
		}, nil), merkle.ErrUnverified},
		{"too few leaves", answering(func(m *objects.Leaves) { m.Leaves = m.Leaves[1:] }, nil), ErrPeer},
		{"leaves in another order", answering(func(m *objects.Leaves) { m.Leaves[0], m.Leaves[5] = m.Leaves[5], m.Leaves[0] }, nil), merkle.ErrUnverified},
		{"too many nodes", answering(func(m *objects.Leaves) { m.Nodes = append(m.Nodes, merkle.Node{}) }, nil), ErrPeer},
		{"an answer to nothing", answering(func(m *objects.Leaves) { m.ID += 99 }, func(m *objects.Blocks) { m.ID += 99 }), ErrPeer},
		{"a flipped bit in a block", answering(nil, func(m *objects.Blocks) {
			recode(&m.Pieces[0], func(b [][]byte) [][]byte { b[0][9] ^= 1; return b })
		}), merkle.ErrUnverified},
		{"a block in place of another", answering(nil, func(m *objects.Blocks) {
			recode(&m.Pieces[0], func(b [][]byte) [][]byte { b[0] = []byte("another"); return b })
		}), merkle.ErrUnverified},
		{"more blocks than asked for", answering(nil, func(m *objects.Blocks) {
			m.Pieces = append(m.Pieces, pack(make([][]byte, 400), false))
		}), ErrPeer},
		{"nodes that nobody wants", answering(nil, func(m *objects.Blocks) { m.Nodes = append(m.Nodes, merkle.Node{}) }), ErrPeer},
		{"a bomb", func(l *liar, g *objectsServer, kind uint64, body []byte) error {
			if kind != objects.TypeAskBlocks {
				return answering(nil, nil)(l, g, kind, body)
			}
			ask, err := objects.DecodeAskBlocks(body)
			if err != nil {
				return err
			}
			return sendBlocks(g.channel, objects.Blocks{ID: ask.ID, Pieces: []objects.Piece{bomb}})
		}, objects.ErrMessage},
		{"one zero block of 16 MiB", func(l *liar, g *objectsServer, kind uint64, body []byte) error {
			if kind != objects.TypeAskBlocks {
				return answering(nil, nil)(l, g, kind, body)
			}
			ask, err := objects.DecodeAskBlocks(body)
			if err != nil {
				return err
			}
			answer, err := g.blocks(l.snapshot, ask, nil, answers.PackOptions{Most: objects.MaxRaw}, answers.Take(objects.MaxRaw))
			if err != nil {
				return err
			}
			answer.Pieces = []objects.Piece{zeros}
			return sendBlocks(g.channel, answer)
		}, nil},
		{"a message that is none", func(_ *liar, g *objectsServer, _ uint64, _ []byte) error {
			return g.channel.Send(objects.TypeBlocks, []byte{0xff})
		}, objects.ErrMessage},
		{"silence", func(*liar, *objectsServer, uint64, []byte) error { return nil }, ErrLost},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			noLeaks(t)
			core := bulky(t)
			into := onceFilled(t, core)
			lying := func() *liar {
				return &liar{capable: true, onObjects: c.answer, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error { return l.honest(ch, r, nil) }}
			}
			options := FetchOptions{Stall: waitLimit}
			if c.name == "silence" {
				options.Stall = shortStall
			}
			if _, err := read(t, into.store, core.key, proof.Claim{}, options, core.lying(lying())); err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("alone: %v, want %v", err, c.want)
			}
			into = onceFilled(t, core)
			got, err := read(t, into.store, core.key, proof.Claim{}, options, core.lying(lying()), core.serving(ServerOptions{}))
			if err != nil || !bytes.Equal(got, core.bytes()) {
				t.Errorf("beside a good peer: %d bytes, %v", len(got), err)
			}
			got, err = read(t, nil, core.key, proof.Claim{}, options, core.lying(lying()), core.serving(ServerOptions{}))
			if err != nil || !bytes.Equal(got, core.bytes()) {
				t.Errorf("without a store, beside a good peer: %d bytes, %v", len(got), err)
			}
		})
	}
}

// Sizes of two neighbours that are forged so that their sum stays verify: they lead to no wrong byte, and keep nobody from going on.
func TestForgedLeafSizes(t *testing.T) {
	core := bulky(t)
	forger := &liar{capable: true, onObjects: answering(func(m *objects.Leaves) {
		for i := 0; i+1 < len(m.Leaves); i += 2 {
			m.Leaves[i].Size -= 3
			m.Leaves[i+1].Size += 3
		}
	}, nil)}
	got, err := read(t, onceFilled(t, core).store, core.key, proof.Claim{}, FetchOptions{}, core.lying(forger))
	if err != nil || !bytes.Equal(got, core.bytes()) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// A peer who says that nobody gives here is asked on the core's own channel; one who gives a block at a time is slow, not bad.
func TestPoorObjectsServers(t *testing.T) {
	for name, answer := range map[string]func(*liar, *objectsServer, uint64, []byte) error{
		"gives nothing": func(l *liar, g *objectsServer, kind uint64, body []byte) error {
			id := uint64(body[0])
			return g.channel.Send(objects.TypeNone, objects.None{ID: id, Reason: objects.ReasonInvalid}.Append(nil))
		},
		"one by one": func(l *liar, g *objectsServer, kind uint64, body []byte) error {
			ask, err := objects.DecodeAskBlocks(body)
			if err != nil || kind != objects.TypeAskBlocks {
				return answering(nil, nil)(l, g, kind, body)
			}
			first := ask
			first.Prove, first.Nodes = false, nil
			first.Spans = []objects.Span{{First: ask.Spans[0].First, Count: 1}}
			answer, err := g.blocks(l.snapshot, first, nil, answers.PackOptions{Most: objects.MaxRaw}, answers.Take(objects.MaxRaw))
			if err != nil {
				return err
			}
			if ask.Prove {
				wanted := append(ask.Nodes, merkle.Subtrees(ask.Spans[0].First+1, ask.Spans[0].First+ask.Spans[0].Count)...)
				if answer.Nodes, err = g.nodes(l.snapshot, wanted); err != nil {
					return err
				}
			}
			return sendBlocks(g.channel, answer)
		},
		"asks in place of answering": func(l *liar, g *objectsServer, kind uint64, body []byte) error {
			if kind == objects.TypeNone {
				return nil
			}
			if err := g.channel.Send(objects.TypeAskBlocks, objects.AskBlocks{ID: 5, Spans: []objects.Span{{First: 1, Count: 1}}}.Append(nil)); err != nil {
				return err
			}
			return answering(nil, nil)(l, g, kind, body)
		},
		"closes the channel": func(_ *liar, g *objectsServer, _ uint64, _ []byte) error { g.channel.Close(); return nil },
	} {
		core := bulky(t)
		got, err := read(t, onceFilled(t, core).store, core.key, proof.Claim{}, FetchOptions{}, core.lying(&liar{capable: true, onObjects: answer}))
		if err != nil || !bytes.Equal(got, core.bytes()) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// nosy asks on the channel for many blocks without knowing the key.
type nosy struct {
	core *testCore
	key  keys.Key // that it knows
	ask  func(*protomux.Channel) error
	got  chan uint64
	of   ServerOptions
}

func (n *nosy) run(ctx context.Context) error {
	mux, secret, err := connect(ctx, n.core.serving(n.of), true, limits{}, nil)
	if err != nil {
		return err
	}
	id := keys.DiscoveryKey(n.core.key)
	l := link{key: n.key, handshakeHash: secret.HandshakeHash(), initiator: true}
	if _, err := mux.Open(objects.Protocol, id[:], l.capability(), n); err != nil {
		return err
	}
	return mux.Run(ctx)
}

func (n *nosy) OnOpen(ch *protomux.Channel, _ []byte) error { return n.ask(ch) }

func (n *nosy) OnMessage(_ *protomux.Channel, kind uint64, _ []byte) error {
	n.got <- kind
	return nil
}

func (n *nosy) OnClose(*protomux.Channel, error) { close(n.got) }

// Who knows the discovery key only learns nothing, and who knows the key learns of no block beyond the log.
func TestNobodyLearnsWithoutTheKey(t *testing.T) {
	core := bulky(t)
	questions := func(ask func(*protomux.Channel) error, key keys.Key) (answers []uint64) {
		n := &nosy{core: core, key: key, ask: ask, got: make(chan uint64, 1000)}
		background(t, func(ctx context.Context) { _ = n.run(ctx) })
		for kind := range n.got {
			answers = append(answers, kind)
			if key == core.key && len(answers) == 4 {
				break
			}
		}
		return answers
	}
	ask := func(ch *protomux.Channel) error {
		if err := ch.Send(objects.TypeAskLeaves, objects.AskLeaves{ID: 1, Count: 4}.Append(nil)); err != nil {
			return err
		}
		if err := ch.Send(objects.TypeAskBlocks, objects.AskBlocks{ID: 2, Spans: []objects.Span{{First: 0, Count: 3}}}.Append(nil)); err != nil {
			return err
		}
		return ch.Send(objects.TypeAskBlocks, objects.AskBlocks{ID: 3, Spans: []objects.Span{{First: 299, Count: 2}}}.Append(nil))
	}
	if got := questions(ask, keys.Key{1}); len(got) != 0 {
		t.Errorf("without the key: answers %v", got)
	}
	if got := fmt.Sprint(questions(ask, core.key)); got != fmt.Sprint([]uint64{objects.TypeKnows, objects.TypeLeaves, objects.TypeBlocks, objects.TypeNone}) {
		t.Errorf("with the key: answers %v", got)
	}
	again := func(ch *protomux.Channel) error {
		for range maxInvalid + 1 {
			if err := ch.Send(objects.TypeAskLeaves, objects.AskLeaves{ID: 1, First: 1 << 40, Count: 4}.Append(nil)); err != nil {
				return err
			}
		}
		return nil
	}
	n := &nosy{core: core, key: core.key, ask: again, got: make(chan uint64, 1000)}
	background(t, func(ctx context.Context) { _ = n.run(ctx) })
	answers := 0
	for range n.got { // ends when it is dropped
		answers++
	}
	if answers > 1+maxInvalid { // what it knows it says first
		t.Errorf("%d senseless questions were answered", answers)
	}
}

// A reader that asks and asks, and reads nothing, is dropped.
func TestFloodOfQuestions(t *testing.T) {
	core, dropped := bulky(t), make(chan error, 1)
	of := ServerOptions{Stall: time.Second, Dropped: func(_ string, reason error) { dropped <- reason }}
	n := &nosy{core: core, key: core.key, of: of, got: make(chan uint64), ask: func(ch *protomux.Channel) error {
		go func() {
			for {
				if ch.Send(objects.TypeAskBlocks, objects.AskBlocks{ID: 2, Spans: []objects.Span{{First: 0, Count: 300}}}.Append(nil)) != nil {
					return
				}
			}
		}()
		return nil
	}}
	background(t, func(ctx context.Context) { _ = n.run(ctx) }) // its read loop hangs at the first answer
	if reason := <-dropped; !errors.Is(reason, protomux.ErrStalled) {
		t.Errorf("dropped because of %v", reason)
	}
	for range n.got {
	}
}

// A peer whose word of what it has comes a little behind its state is not asked for each block, or leaf hash, by itself meanwhile.
func TestAnnouncedBehindTheState(t *testing.T) {
	for _, checked := range []bool{false, true} {
		core := bulky(t)
		var questions atomic.Int32
		var channel *protomux.Channel
		honest := answering(nil, nil)
		peer := &liar{
			capable: true,
			onOpen:  func(_ *liar, ch *protomux.Channel) error { channel = ch; return nil },
			onObjects: func(l *liar, g *objectsServer, kind uint64, body []byte) error {
				if questions.Add(1) == 1 {
					if err := channel.Send(messages.TypeRange, messages.Range{Length: l.length}.Append(nil)); err != nil {
						return err
					}
				}
				return honest(l, g, kind, body)
			},
		}
		into := newStore(t)
		if checked {
			into = onceFilled(t, core).store
		}
		got, err := read(t, into, core.key, proof.Claim{}, FetchOptions{}, core.lying(peer))
		if err != nil || !bytes.Equal(got, core.bytes()) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		if n := questions.Load(); n == 0 || n > 20 {
			t.Errorf("checked=%v: %d questions for %d blocks", checked, n, len(core.blocks))
		}
	}
}
