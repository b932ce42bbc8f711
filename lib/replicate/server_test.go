package replicate

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"slices"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
)

// A core that is opened twice on one connection is served once; the second open is rejected, and nothing else happens.
func TestCoreOpenedTwice(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 5)
	a := ask(t, core.serving(ServerOptions{}), core.key).open()
	a.await(typeOpened)
	a.channel.Close() // and at once again: the other side may still have the first one
	a.open()
	a.await(typeOpened)
	a.send(messages.TypeRequest, messages.AppendRequest(nil, merkle.Request{ID: 1, Upgrade: &merkle.UpgradeRequest{Length: 5}}))
	if p, err := messages.DecodeData(a.await(messages.TypeData)); err != nil || p.Upgrade == nil {
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
	_, _ = b.mux.Open(messages.Protocol, id[:], b.link.open(), b) // its own open and the server's may cross
	a.await(typeOpened)
	got, err := read(t, nil, key, proof.Claim{}, FetchOptions{}, connect())
	if err != nil || !bytes.Equal(got, core.bytes()) {
		t.Errorf("a new peer: %q, %v", got, err)
	}
	b.await(typeOpened)
	core.append([]byte("later"))
	for {
		m, err := messages.DecodeSync(b.await(messages.TypeSync))
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
		if _, err := a.mux.Open(messages.Protocol, id[:], a.link.open(), a); err != nil {
			t.Fatal(err)
		}
		if why := a.await(typeClosed); string(why) != protomux.ErrRejected.Error() {
			t.Fatalf("closed: %s", why)
		}
	}
	for _, odd := range [][]byte{nil, []byte("short"), make([]byte, 33)} {
		if _, err := a.mux.Open(messages.Protocol, odd, a.link.open(), a); err != nil {
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
				a.send(messages.TypeRequest, messages.AppendRequest(nil, merkle.Request{ID: i + 1, Block: &merkle.BlockRequest{Index: i % 16, Nodes: 1}}))
			}
			deaf = append(deaf, a)
		}
		live := ask(t, connect(), core.key).open()
		live.await(typeOpened)
		for i := range 5 {
			core.append([]byte("news"))
			live.next("news", func(m message) bool {
				if m.kind != messages.TypeSync {
					return false
				}
				state, err := messages.DecodeSync(m.body)
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
	for j := c.jobs.next(); j != nil; j = c.jobs.next() {
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
