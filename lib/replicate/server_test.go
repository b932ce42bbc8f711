package replicate

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/protomux"
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
	mux, secret, err := connect(t.Context(), conn, true, limits{})
	if err != nil {
		t.Fatal(err)
	}
	a.mux, a.link = mux, link{key: key, handshakeHash: secret.HandshakeHash(), initiator: true}
	mux.OnPair(func(protocol string, id, _ []byte) { _, _ = mux.Open(protocol, id, a.link.open(), a) })
	background(t, func(ctx context.Context) { a.ended <- mux.Run(ctx) })
	return a
}

// open opens the core's channel.
func (a *asking) open() *asking {
	a.t.Helper()
	id := keys.DiscoveryKey(a.link.key)
	channel, err := a.mux.Open(Protocol, id[:], a.link.open(), a)
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
	deadline := time.After(30 * time.Second)
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

// A core that is opened twice on one connection is served once; the second open is rejected, and nothing else happens.
func TestCoreOpenedTwice(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 5)
	a := ask(t, core.serving(ServerOptions{}), core.key).open()
	a.await(typeOpened)
	a.channel.Close() // and at once again: the other side may still have the first one
	a.open()
	a.await(typeOpened)
	a.send(typeRequest, appendRequest(nil, merkle.Request{ID: 1, Upgrade: &merkle.UpgradeRequest{Length: 5}}))
	if p, err := decodeData(a.await(typeData)); err != nil || p.Upgrade == nil {
		t.Errorf("%+v, %v", p, err)
	}
}

// A core that is made later is opened from the server's side, for who asked before; and who has asked himself again in
// the meantime does not end the server.
func TestSoughtCores(t *testing.T) {
	noLeaks(t)
	core := &testCore{t: t, store: newStore(t)}
	secret, err := keys.NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	core.secret = &secret
	key := keys.DefaultManifest(secret.Public()).Key()
	connect := core.server(ServerOptions{})
	a, b := ask(t, connect(), key).open(), ask(t, connect(), key).open()
	for _, peer := range []*asking{a, b} {
		if why := peer.await(typeClosed); string(why) != protomux.ErrRejected.Error() {
			t.Fatalf("closed: %s", why)
		}
	}
	core.blocks = [][]byte{[]byte("late")}
	core.append(core.blocks...)
	id := keys.DiscoveryKey(key)
	_, _ = b.mux.Open(Protocol, id[:], b.link.open(), b) // its own open and the server's may cross
	a.await(typeOpened)
	got, err := read(t, nil, key, proof.Claim{}, FetchOptions{}, connect())
	if err != nil || !bytes.Equal(got, core.bytes()) {
		t.Errorf("a new peer: %q, %v", got, err)
	}
	b.await(typeOpened)
	core.append([]byte("later"))
	for {
		m, err := decodeSync(b.await(typeSync))
		if err != nil {
			t.Fatal(err)
		}
		if m.Length == 2 {
			break
		}
	}
}

// Opens of cores that nobody has cost little, are bounded, and do not keep others from being served.
func TestOpensOfUnknownCores(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 5)
	connect := core.server(ServerOptions{})
	a := ask(t, connect(), core.key)
	for range 3 * maxSought {
		var id keys.Key
		_, _ = rand.Read(id[:])
		if _, err := a.mux.Open(Protocol, id[:], a.link.open(), a); err != nil {
			t.Fatal(err)
		}
		if why := a.await(typeClosed); string(why) != protomux.ErrRejected.Error() {
			t.Fatalf("closed: %s", why)
		}
	}
	for _, odd := range [][]byte{nil, []byte("short"), make([]byte, 33)} {
		if _, err := a.mux.Open(Protocol, odd, a.link.open(), a); err != nil {
			t.Fatal(err)
		}
		a.await(typeClosed)
	}
	core.append([]byte("more")) // the sought ones are looked for
	a.open()
	a.await(typeOpened)
	got, err := read(t, nil, core.key, proof.Claim{}, FetchOptions{}, connect())
	if err != nil || !bytes.Equal(got, append(core.bytes(), "more"...)) {
		t.Errorf("another peer: %q, %v", got, err)
	}
}

// A peer that reads nothing holds up neither the announcements to others nor much memory.
func TestPeerThatReadsNothing(t *testing.T) {
	noLeaks(t)
	core := &testCore{t: t, store: newStore(t)}
	for i := range 16 {
		core.blocks = append(core.blocks, bytes.Repeat([]byte{byte(i), 1, 2, 3}, 1<<20))
	}
	core.append(core.blocks...)
	connect := core.server(ServerOptions{})
	var deaf []*asking
	grown := heapPeak(func() {
		for range 4 {
			a := ask(t, connect(), core.key).open()
			a.await(typeOpened)
			a.deaf.Store(true)
			for i := range uint64(2000) {
				a.send(typeRequest, appendRequest(nil, merkle.Request{ID: i + 1, Block: &merkle.BlockRequest{Index: i % 16, Nodes: 1}}))
			}
			deaf = append(deaf, a)
		}
		live := ask(t, connect(), core.key).open()
		live.await(typeOpened)
		for i := range 5 {
			core.append([]byte("news"))
			live.next("news", func(m message) bool {
				if m.kind != typeSync {
					return false
				}
				state, err := decodeSync(m.body)
				return err == nil && state.Length == uint64(17+i)
			})
		}
	})
	t.Logf("%d MiB for 4 peers that asked for 8,000 blocks of 4 MiB and read none", grown>>20)
	if grown > 220<<20 {
		t.Errorf("%d MiB", grown>>20)
	}
	for _, a := range deaf {
		a.mux.Close(io.ErrUnexpectedEOF)
		close(a.hears)
		<-a.ended
	}
}

// What is told of a sparse copy, at the open, for a want and when it grows, is what it has.
func TestSparseAnnouncements(t *testing.T) {
	noLeaks(t)
	core, sparse := newCore(t, 300), newStore(t)
	random := mathrand.New(mathrand.NewPCG(9, 10))
	take := func(from, to uint64) {
		t.Helper()
		claim := proof.Claim{Kind: proof.KindBlocks, From: from, To: to}
		if _, err := read(t, sparse, core.key, claim, FetchOptions{}, core.serving(ServerOptions{})); err != nil {
			t.Fatal(err)
		}
	}
	has := make([]bool, 300)
	mark := func(from, to uint64) {
		take(from, to)
		for i := from; i <= to; i++ {
			has[i] = true
		}
	}
	mark(7, 40)
	mark(200, 200)
	copied := &testCore{t: t, store: sparse, key: core.key}
	a := ask(t, copied.serving(ServerOptions{}), core.key).open()
	var said remoteBlocks
	told := func() {
		t.Helper()
		for block := range uint64(300) {
			if said.has(block) != has[block] {
				t.Fatalf("block %d: told %v, want %v", block, said.has(block), has[block])
			}
		}
	}
	count := func() (blocks int) {
		for block := range uint64(300) {
			if said.has(block) {
				blocks++
			}
		}
		return blocks
	}
	held := func() (blocks int) {
		for _, held := range has {
			if held {
				blocks++
			}
		}
		return blocks
	}
	hear := func() {
		for count() < held() {
			m, err := decodeRange(a.await(typeRange))
			if err != nil {
				t.Fatal(err)
			}
			said.set(m.Start, m.Length, !m.Drop)
		}
	}
	hear()
	told()
	for range 6 {
		from := random.Uint64N(300)
		mark(from, min(299, from+random.Uint64N(40)))
		hear()
		told()
		for _, want := range []wantMessage{{Length: segment}, {Start: 64, Length: 64}, {Start: 256, Length: 512}, {Start: 0, Length: 32}, {Start: segment, Length: segment}} {
			if want.Start >= 300 {
				continue
			}
			a.send(typeWant, want.append(nil))
			m := a.next("answer to a want", func(m message) bool { return m.kind == typeBitfield || m.kind == typeRange })
			var answer remoteBlocks
			if m.kind == typeRange {
				r, _ := decodeRange(m.body)
				answer.set(r.Start, r.Length, true)
			} else {
				field, err := decodeBitfield(m.body)
				end := min(want.Start+want.Length, 300)
				if err != nil || field.Start != want.Start || len(field.Words) != int(end-want.Start+31)/32 {
					t.Fatalf("want %+v: bitfield from %d, %d words, %v", want, field.Start, len(field.Words), err)
				}
				answer.setBits(field)
			}
			for block := want.Start; block < min(300, want.Start+want.Length); block++ {
				if answer.has(block) != has[block] {
					t.Fatalf("want %+v: block %d: %v, want %v", want, block, answer.has(block), has[block])
				}
			}
		}
	}
	mark(0, 299)
	for said.prefix < 300 {
		m, err := decodeRange(a.await(typeRange))
		if err != nil {
			t.Fatal(err)
		}
		said.set(m.Start, m.Length, !m.Drop)
	}
}

// A server says that it can upgrade a reader only if it has the roots of the reader's length.
func TestCanUpgrade(t *testing.T) {
	core, sparse := newCore(t, 300), newStore(t)
	if _, err := read(t, sparse, core.key, proof.Claim{Kind: proof.KindHead}, FetchOptions{}, core.serving(ServerOptions{})); err != nil {
		t.Fatal(err)
	}
	roots := &testCore{t: t, store: sparse, key: core.key}
	for _, c := range []struct {
		core   *testCore
		length uint64
		can    bool
	}{{core, 0, true}, {core, 7, true}, {core, 300, true}, {core, 301, false}, {roots, 0, true}, {roots, 7, false}, {roots, 256, true}, {roots, 300, true}} {
		a := ask(t, c.core.serving(ServerOptions{}), core.key).open()
		a.await(typeOpened)
		a.await(typeSync)
		a.send(typeSync, syncMessage{Downloading: true, Length: c.length}.append(nil))
		m, err := decodeSync(a.await(typeSync))
		if err != nil || m.CanUpgrade != c.can || m.RemoteLength != c.length {
			t.Errorf("length %d: %+v, %v, want %v", c.length, m, err, c.can)
		}
	}
}

// A request that is cancelled in time is not answered, and what is behind it is.
func TestCancel(t *testing.T) {
	noLeaks(t)
	c := &serverConn{work: make(chan struct{}, 1)}
	one, two := &reader{conn: c}, &reader{conn: c}
	for id := range uint64(4) {
		for _, r := range []*reader{one, two} {
			if err := c.enqueue(job{reader: r, request: merkle.Request{ID: id}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.cancel(one, 2)
	c.forget(two)
	var left []uint64
	for _, j := range c.jobs {
		left = append(left, j.request.ID)
	}
	if !slices.Equal(left, []uint64{0, 1, 3}) {
		t.Errorf("left: %v", left)
	}
}

func TestWithout(t *testing.T) {
	random := mathrand.New(mathrand.NewPCG(11, 12))
	some := func() (spans []span, bits [64]bool) {
		for at := random.Uint64N(9); at < 60; at += 1 + random.Uint64N(9) {
			s := span{at, min(64, at+1+random.Uint64N(9))}
			for i := s.start; i < s.end; i++ {
				bits[i] = true
			}
			spans, at = append(spans, s), s.end
		}
		return spans, bits
	}
	for range 2000 {
		a, inA := some()
		b, inB := some()
		var got [64]bool
		for _, s := range without(a, b) {
			for i := s.start; i < s.end; i++ {
				got[i] = true
			}
		}
		for i := range got {
			if got[i] != (inA[i] && !inB[i]) {
				t.Fatalf("%v without %v: %v", a, b, without(a, b))
			}
		}
	}
}

// A look at the store after a commit costs nothing for cores that nobody reads, and little for those that did not change.
func BenchmarkRefresh(b *testing.B) {
	in := openStore(b)
	var made []keys.Key
	for i := range 200 {
		w, err := hypercore.OpenWriter(b.Context(), in, fmt.Sprintf("core%d", i), hypercore.AppendOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Append(b.Context(), []byte("block")); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Commit(b.Context()); err != nil {
			b.Fatal(err)
		}
		made = append(made, w.Key())
	}
	server := NewServer(in, ServerOptions{})
	for _, key := range made {
		if _, err := server.take(b.Context(), keys.DiscoveryKey(key)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		server.refresh(b.Context())
	}
}
