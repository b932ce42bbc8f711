package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/store"
)

// testCore is a core in a store of its own, with its blocks.
type testCore struct {
	t      *testing.T
	store  *store.Store
	key    keys.Key
	blocks [][]byte
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir()+"/.hc", store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newCore(t *testing.T, count int) *testCore {
	t.Helper()
	c := &testCore{t: t, store: newStore(t)}
	random := rand.New(rand.NewPCG(1, uint64(count)))
	for i := range count {
		c.blocks = append(c.blocks, bytes.Repeat(fmt.Appendf(nil, "%d,", i), random.IntN(200)))
	}
	c.append(c.blocks...)
	return c
}

func (c *testCore) append(blocks ...[]byte) {
	c.t.Helper()
	w, err := hypercore.OpenWriter(c.t.Context(), c.store, "log", hypercore.AppendOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := w.Append(c.t.Context(), blocks...); err != nil {
		c.t.Fatal(err)
	}
	if _, err := w.Commit(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	c.key = w.Key()
}

func (c *testCore) bytes() []byte { return bytes.Join(c.blocks, nil) }

// pair returns two ends of a loopback connection.
func pair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := l.Accept()
		accepted <- conn
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn), (<-accepted).(*net.TCPConn)
}

// over is a peer at the other end of a connection that is there already.
func over(name string, conn peer.Conn) Dialer {
	return Dialer{Name: name, Dial: func(context.Context) (peer.Conn, error) { return conn, nil }}
}

// serving returns a connection to a real server of the core.
func (c *testCore) serving(options ServerOptions) *net.TCPConn {
	c.t.Helper()
	ours, theirs := pair(c.t)
	server := NewServer(c.store, options)
	background(c.t, func(ctx context.Context) { _ = server.Run(ctx) })
	background(c.t, func(ctx context.Context) { _ = server.Serve(ctx, "reader", theirs) })
	return ours
}

// background runs something until the test ends, and waits for it.
func background(t *testing.T, run func(ctx context.Context)) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
}

// liar is a peer that serves a core, but for what its hooks do.
type liar struct {
	core      *testCore
	snapshot  *hypercore.Snapshot
	link      link
	mux       *protomux.Mux
	length    uint64                                                      // that it claims to have
	capable   bool                                                        // sends the right capability
	onRequest func(l *liar, ch *protomux.Channel, r merkle.Request) error // nil: honest
	onOpen    func(ch *protomux.Channel) error
}

func (c *testCore) lying(l *liar) *net.TCPConn {
	c.t.Helper()
	ours, theirs := pair(c.t)
	snapshot, err := hypercore.OpenSnapshot(c.t.Context(), c.store, c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	l.core, l.snapshot, l.length = c, snapshot, snapshot.Head().Length
	background(c.t, func(ctx context.Context) {
		mux, secret, err := connect(ctx, theirs, false, limits{})
		if err != nil {
			return
		}
		l.mux, l.link = mux, link{key: c.key, handshakeHash: secret.HandshakeHash()}
		mux.OnPair(func(protocol string, id, _ []byte) {
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
	state := syncMessage{CanUpgrade: true, Uploading: true, Downloading: true, HasManifest: true, Length: l.length}
	if err := ch.Send(typeSync, state.append(nil)); err != nil {
		return err
	}
	if l.onOpen != nil {
		return l.onOpen(ch)
	}
	return ch.Send(typeRange, rangeMessage{Length: l.length}.append(nil))
}

func (l *liar) OnClose(*protomux.Channel, error) {}

func (l *liar) OnMessage(ch *protomux.Channel, kind uint64, body []byte) error {
	if kind != typeRequest {
		return nil
	}
	request, err := decodeRequest(body)
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
	answer, err := l.snapshot.Prove(context.Background(), request)
	if err != nil {
		return ch.Send(typeNoData, noDataMessage{Request: request.ID, Reason: reasonNotAvailable}.append(nil))
	}
	if change != nil {
		change(answer)
	}
	return ch.Send(typeData, appendData(nil, answer))
}

// read fetches a claim through connections and returns the verified bytes.
func read(t *testing.T, into *store.Store, key keys.Key, claim proof.Claim, options FetchOptions, conns ...*net.TCPConn) ([]byte, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Second)
	defer stop()
	d, err := hypercore.NewDownload(ctx, key, hypercore.DownloadOptions{Store: into})
	if err != nil {
		return nil, err
	}
	var peers []Dialer
	for i, conn := range conns {
		peers = append(peers, over(fmt.Sprintf("peer %d", i), conn))
	}
	options.Claim = claim
	fetching, finish := context.WithCancel(ctx)
	var wait sync.WaitGroup
	var fetchErr error
	wait.Go(func() { fetchErr = Fetch(fetching, d, peers, options) })
	var stream bytes.Buffer
	writeErr := write(ctx, &stream, d, keys.Ref{Key: key}, PipeOptions{Claim: claim})
	finish()
	wait.Wait()
	if err := worse(writeErr, fetchErr); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	_, err = proof.Verify(ctx, &stream, proof.Options{Key: &key, Claim: &claim, Out: &out}, nil)
	return out.Bytes(), err
}

// onceOnly fails the test where a tree node is received twice, or one comes that its receiver could compute.
type onceOnly struct {
	t     *testing.T
	mu    sync.Mutex
	nodes map[uint64]bool
	count int
}

func (o *onceOnly) trace(_ bool, p *merkle.Proof) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.nodes == nil {
		o.nodes = map[uint64]bool{}
	}
	var nodes []merkle.Node
	if p.Block != nil {
		nodes = append(nodes, p.Block.Nodes...)
	}
	if p.Hash != nil {
		nodes = append(nodes, p.Hash.Nodes...)
	}
	if p.Upgrade != nil {
		nodes = append(append(nodes, p.Upgrade.Nodes...), p.Upgrade.Additional...)
	}
	for _, node := range nodes {
		if o.nodes[node.Index] {
			o.t.Errorf("node %d came twice", node.Index)
		}
		o.nodes[node.Index] = true
		o.count++
	}
}

func TestWholeFetch(t *testing.T) {
	for _, count := range []int{1, 2, 3, 7, 64, 1000} {
		core := newCore(t, count)
		once := &onceOnly{t: t}
		got, err := read(t, newStore(t), core.key, proof.Claim{}, FetchOptions{Trace: once.trace}, core.serving(ServerOptions{}))
		if err != nil || !bytes.Equal(got, core.bytes()) {
			t.Fatalf("%d blocks: got %d bytes, %v", count, len(got), err)
		}
		if once.count > count {
			t.Errorf("%d blocks: %d nodes came, a tree over them has no more that cannot be computed", count, once.count)
		}
	}
}

func TestSparseFetchBringsNoNodeTwice(t *testing.T) {
	core, into := newCore(t, 1000), newStore(t)
	once := &onceOnly{t: t}
	for _, block := range rand.New(rand.NewPCG(3, 4)).Perm(1000)[:60] {
		claim := proof.Claim{Kind: proof.KindBlocks, From: uint64(block), To: uint64(block)}
		got, err := read(t, into, core.key, claim, FetchOptions{Trace: once.trace}, core.serving(ServerOptions{}))
		if err != nil || !bytes.Equal(got, core.blocks[block]) {
			t.Fatalf("block %d: got %d bytes, %v", block, len(got), err)
		}
	}
	for _, part := range [][2]uint64{{0, 10}, {777, 20000}, {50000, 50000}} {
		claim := proof.Claim{Kind: proof.KindBytes, From: part[0], To: part[1]}
		got, err := read(t, into, core.key, claim, FetchOptions{Trace: once.trace}, core.serving(ServerOptions{}))
		if err != nil || !bytes.Equal(got, core.bytes()[part[0]:part[1]+1]) {
			t.Fatalf("bytes %v: got %d bytes, %v", part, len(got), err)
		}
	}
}

func TestFetchWithoutStore(t *testing.T) {
	core := newCore(t, 5000)
	got, err := read(t, nil, core.key, proof.Claim{}, FetchOptions{}, core.serving(ServerOptions{}))
	if err != nil || !bytes.Equal(got, core.bytes()) {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
}

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
			return ch.Send(typeNoData, noDataMessage{Request: 4711}.append(nil))
		}}, ErrPeer, "was not made"},
		{"a message that is none", liar{capable: true, onRequest: func(_ *liar, ch *protomux.Channel, _ merkle.Request) error {
			return ch.Send(typeData, []byte{0xff})
		}}, ErrMessage, "data"},
		{"silence", liar{capable: true, onRequest: func(*liar, *protomux.Channel, merkle.Request) error { return nil }}, ErrPeer, "silent"},
		{"hanging up", liar{capable: true, onRequest: func(l *liar, _ *protomux.Channel, _ merkle.Request) error {
			l.mux.Close(errors.New("enough"))
			return nil
		}}, ErrLost, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			core := newCore(t, 300)
			options := FetchOptions{Stall: 300 * time.Millisecond}
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

// A server drops who floods it or asks for nonsense, and goes on with others.
func TestServerDropsFloods(t *testing.T) {
	core := newCore(t, 300)
	floods := map[string]struct {
		request merkle.Request
		count   int
		says    string
	}{
		"nonsense":          {merkle.Request{Block: &merkle.BlockRequest{Index: 0, Nodes: 60}}, maxInvalid + 1, "make no sense"},
		"too much at once":  {merkle.Request{Block: &merkle.BlockRequest{Index: 5}}, 20 * maxQueued, ""},
		"from another fork": {merkle.Request{Fork: 7, Block: &merkle.BlockRequest{Index: 5}}, 20 * maxQueued, ""},
	}
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			dropped := make(chan error, 1)
			conn := core.serving(ServerOptions{Dropped: func(_ string, reason error) { dropped <- reason }})
			flooder := &flooder{core: core, request: flood.request, count: flood.count}
			background(t, func(ctx context.Context) { flooder.run(ctx, conn) })
			select {
			case reason := <-dropped:
				if !errors.Is(reason, ErrPeer) && !errors.Is(reason, protomux.ErrDropped) || !bytes.Contains([]byte(reason.Error()), []byte(flood.says)) {
					t.Errorf("dropped because of %v", reason)
				}
			case <-time.After(30 * time.Second):
				t.Error("not dropped")
			}
			got, err := read(t, newStore(t), core.key, proof.Claim{}, FetchOptions{}, core.serving(ServerOptions{}))
			if err != nil || !bytes.Equal(got, core.bytes()) {
				t.Errorf("another reader: %d bytes, %v", len(got), err)
			}
		})
	}
}

// flooder is a reader that asks and asks, and reads nothing.
type flooder struct {
	core    *testCore
	request merkle.Request
	count   int
}

func (f *flooder) run(ctx context.Context, conn *net.TCPConn) {
	mux, secret, err := connect(ctx, conn, true, limits{})
	if err != nil {
		return
	}
	id := keys.DiscoveryKey(f.core.key)
	l := link{key: f.core.key, handshakeHash: secret.HandshakeHash(), initiator: true}
	if _, err := mux.Open(Protocol, id[:], l.open(), f); err != nil {
		return
	}
	_ = mux.Run(ctx)
}

func (f *flooder) OnOpen(ch *protomux.Channel, _ []byte) error {
	go func() {
		for i := range f.count {
			f.request.ID = uint64(i + 1)
			if ch.Send(typeRequest, appendRequest(nil, f.request)) != nil {
				return
			}
		}
	}()
	return nil
}

func (f *flooder) OnMessage(*protomux.Channel, uint64, []byte) error { return nil }

func (f *flooder) OnClose(*protomux.Channel, error) {}

// Appends reach a live reader, and its stream verifies up to where it is cut.
func TestLiveFetch(t *testing.T) {
	core := newCore(t, 3)
	conn := core.serving(ServerOptions{})
	ctx, stop := context.WithTimeout(t.Context(), 40*time.Second)
	defer stop()
	in, out := io.Pipe()
	d, err := hypercore.NewDownload(ctx, core.key, hypercore.DownloadOptions{Store: newStore(t)})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() { _ = Fetch(ctx, d, []Dialer{over("writer", conn)}, FetchOptions{Live: true}) })
	wait.Go(func() {
		out.CloseWithError(write(ctx, out, d, keys.Ref{Key: core.key}, PipeOptions{Live: true}))
	})
	got := make(chan []byte, 100)
	wait.Go(func() {
		_, _ = proof.Verify(ctx, in, proof.Options{Key: &core.key}, lineSink(got))
	})
	next := func(want []byte) {
		t.Helper()
		select {
		case line := <-got:
			if !bytes.Equal(line, want) {
				t.Fatalf("got block %q, want %q", line, want)
			}
		case <-ctx.Done():
			t.Fatal("nothing came")
		}
	}
	for _, block := range core.blocks {
		next(block)
	}
	for i := range 20 {
		block := fmt.Appendf(nil, "live %d", i)
		core.append(block)
		next(block)
	}
	stop()
	in.Close()
	wait.Wait()
}

type lineSink chan []byte

func (s lineSink) Core(keys.Key, []byte) error                 { return nil }
func (s lineSink) Head(proof.Head, []merkle.Node) error        { return nil }
func (s lineSink) Nodes([]merkle.Node) error                   { return nil }
func (s lineSink) Block(_ uint64, data []byte, _, _ int) error { s <- bytes.Clone(data); return nil }
