package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
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

// testMirror is a mirror in a store of its own.
type testMirror struct {
	t      *testing.T
	dir    string
	store  *store.Store
	server *Server
}

func newMirror(t *testing.T, options ServerOptions) *testMirror {
	t.Helper()
	m := &testMirror{t: t, dir: filepath.Join(t.TempDir(), ".hc")}
	var err error
	if m.store, err = store.Open(t.Context(), m.dir, store.Options{Create: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.store.Close() })
	m.server = NewServer(m.store, options)
	background(t, func(ctx context.Context) {
		if err := m.server.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return m
}

func (m *testMirror) dial() Dialer {
	return Dialer{Name: "mirror", Dial: func(context.Context) (peer.Conn, error) {
		ours, theirs := pair(m.t)
		background(m.t, func(ctx context.Context) { _ = m.server.Serve(ctx, "signer", theirs) })
		return ours, nil
	}}
}

// content returns what the mirror would show after a power cut: of a store that is opened anew, only what is synced.
func (m *testMirror) content(key keys.Key) []byte {
	m.t.Helper()
	s, err := store.Open(m.t.Context(), m.dir, store.Options{ReadOnly: true})
	if err != nil {
		m.t.Fatal(err)
	}
	defer s.Close()
	view, err := s.View(m.t.Context(), key, true)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		m.t.Fatal(err)
	}
	var all []byte
	for block := range view.Head().Length {
		data, err := view.Block(m.t.Context(), block)
		if err != nil {
			m.t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}

// push pushes the core as its signer, and counts what leaves.
func (c *testCore) push(to Dialer, sent Trace) error {
	c.t.Helper()
	ctx, stop := context.WithTimeout(c.t.Context(), 50*time.Second)
	defer stop()
	return NewServer(c.store, ServerOptions{Trace: sent}).Push(ctx, to, []keys.Key{c.key}, PushOptions{Secret: c.store.Secret})
}

func TestPush(t *testing.T) {
	for _, compat := range []bool{false, true} {
		t.Run(fmt.Sprintf("compat %v", compat), func(t *testing.T) {
			noLeaks(t)
			core := &testCore{t: t, store: newStore(t), compat: compat}
			for i := range 200 {
				core.blocks = append(core.blocks, bytes.Repeat([]byte{byte(i)}, i*37))
			}
			core.append(core.blocks...)
			mirror := newMirror(t, ServerOptions{Accept: []keys.Key{core.key}})
			var sent atomic.Int64
			if err := core.push(mirror.dial(), counting(&sent)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(mirror.content(core.key), core.bytes()) {
				t.Fatal("the mirror has something else")
			}
			if n := sent.Swap(0); n != 200 {
				t.Errorf("%d blocks sent, want 200", n)
			}
			core.blocks = append(core.blocks, []byte("more"), []byte("and more"))
			core.append(core.blocks[200:]...)
			for _, want := range []int64{2, 0} {
				if err := core.push(mirror.dial(), counting(&sent)); err != nil {
					t.Fatal(err)
				}
				if n := sent.Swap(0); n != want {
					t.Errorf("%d blocks sent, want %d", n, want)
				}
			}
			if !bytes.Equal(mirror.content(core.key), core.bytes()) {
				t.Fatal("the mirror has something else after the second push")
			}
		})
	}
}

// What a push brought is there for readers who were connected before, at once.
func TestPushIsAnnounced(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 20)
	mirror := newMirror(t, ServerOptions{Accept: []keys.Key{core.key}})
	if err := core.push(mirror.dial(), nil); err != nil {
		t.Fatal(err)
	}
	copied := &testCore{t: t, store: mirror.store, key: core.key}
	conn, err := mirror.dial().Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a := ask(t, conn.(*net.TCPConn), copied.key).open()
	core.append([]byte("twenty-one"))
	if err := core.push(mirror.dial(), nil); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := decodeSync(a.await(typeSync))
		if err != nil {
			t.Fatal(err)
		}
		if m.Length == 21 {
			return
		}
	}
}

// Two signers who hold one key append to the same head and push at once: one of them wins, and no head of the other leaves.
func TestPushRace(t *testing.T) {
	noLeaks(t)
	first := newCore(t, 5)
	secret, err := first.store.Secret(first.key)
	if err != nil {
		t.Fatal(err)
	}
	mirror := newMirror(t, ServerOptions{Accept: []keys.Key{first.key}})
	if err := first.push(mirror.dial(), nil); err != nil {
		t.Fatal(err)
	}
	second := &testCore{t: t, store: newStore(t), key: first.key, secret: &secret, blocks: first.blocks}
	if _, err := read(t, second.store, first.key, proof.Claim{Kind: proof.KindAll}, FetchOptions{}, first.serving(ServerOptions{})); err != nil {
		t.Fatal(err)
	}
	if err := second.store.PutSecret(t.Context(), second.key, secret); err != nil {
		t.Fatal(err)
	}
	if err := second.store.SetName(t.Context(), "log", second.key); err != nil {
		t.Fatal(err)
	}
	for round := range 10 {
		before := mirror.content(first.key)
		cores := []*testCore{first, second}
		var heads [2]atomic.Int64
		var errs [2]error
		var wait sync.WaitGroup
		for i, core := range cores {
			core.append(fmt.Appendf(nil, "signer %d, round %d", i, round))
			wait.Go(func() {
				errs[i] = core.push(mirror.dial(), func(_ bool, p *merkle.Proof) {
					if p.Upgrade != nil {
						heads[i].Add(1)
					}
				})
			})
		}
		wait.Wait()
		winner := 0
		if errs[0] != nil {
			winner = 1
		}
		loser := 1 - winner
		if errs[winner] != nil || !errors.Is(errs[loser], store.ErrConflict) {
			t.Fatalf("round %d: %v and %v, want one to win and one to conflict", round, errs[0], errs[1])
		}
		if n := heads[loser].Load(); n != 0 {
			t.Errorf("round %d: %d heads of the loser left", round, n)
		}
		want := append(before, fmt.Sprintf("signer %d, round %d", winner, round)...)
		if !bytes.Equal(mirror.content(first.key), want) {
			t.Fatalf("round %d: the mirror does not have what the winner wrote", round)
		}
		// The loser's store is thrown away, as a CI job's is; it begins again from what is published.
		fresh := &testCore{t: t, store: newStore(t), key: first.key, secret: &secret}
		if _, err := read(t, fresh.store, first.key, proof.Claim{Kind: proof.KindAll}, FetchOptions{}, mirrorConn(t, mirror)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(fresh.store.PutSecret(t.Context(), fresh.key, secret), fresh.store.SetName(t.Context(), "log", fresh.key)); err != nil {
			t.Fatal(err)
		}
		if loser == 0 {
			first = fresh
		} else {
			second = fresh
		}
	}
}

func mirrorConn(t *testing.T, m *testMirror) *net.TCPConn {
	t.Helper()
	conn, err := m.dial().Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// Of a store with only the roots and the newest blocks a mirror that stands at exactly that length gets those, and any other
// is told that it cannot.
func TestPushFromRoots(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 13)
	secret, err := core.store.Secret(core.key)
	if err != nil {
		t.Fatal(err)
	}
	mirror := newMirror(t, ServerOptions{Accept: []keys.Key{core.key}})
	behind := newMirror(t, ServerOptions{Accept: []keys.Key{core.key}})
	if err := core.push(behind.dial(), nil); err != nil {
		t.Fatal(err)
	}
	core.blocks = append(core.blocks, []byte("thirteen"))
	core.append(core.blocks[13])
	if err := core.push(mirror.dial(), nil); err != nil {
		t.Fatal(err)
	}
	roots := &testCore{t: t, store: newStore(t), key: core.key, secret: &secret}
	if _, err := read(t, roots.store, core.key, proof.Claim{Kind: proof.KindHead}, FetchOptions{}, core.serving(ServerOptions{})); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(roots.store.PutSecret(t.Context(), core.key, secret), roots.store.SetName(t.Context(), "log", core.key)); err != nil {
		t.Fatal(err)
	}
	roots.append([]byte("from"), []byte("roots"))
	var sent atomic.Int64
	if err := roots.push(behind.dial(), counting(&sent)); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("to a mirror of another length: %v", err)
	}
	if n := sent.Load(); n != 0 {
		t.Fatalf("%d blocks left for a mirror that cannot use them", n)
	}
	if err := roots.push(mirror.dial(), counting(&sent)); err != nil {
		t.Fatal(err)
	}
	if n := sent.Load(); n != 2 {
		t.Errorf("%d blocks sent, want 2", n)
	}
	if got, want := mirror.content(core.key), append(core.bytes(), "fromroots"...); !bytes.Equal(got, want) {
		t.Fatalf("the mirror has %d bytes, want %d", len(got), len(want))
	}
}

func TestPushRefused(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 30)
	var blocks atomic.Int64
	for name, test := range map[string]struct {
		options ServerOptions
		want    error
	}{
		"a server that accepts nothing":      {ServerOptions{}, ErrNotAccepted},
		"a mirror of other cores":            {ServerOptions{Accept: []keys.Key{{1}}}, ErrNotAccepted},
		"a log that is longer than it takes": {ServerOptions{Accept: []keys.Key{core.key}, MaxBytes: 10}, ErrLost},
	} {
		mirror := newMirror(t, test.options)
		if err := core.push(mirror.dial(), counting(&blocks)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if got := mirror.content(core.key); got != nil {
			t.Errorf("%s: it has %d bytes", name, len(got))
		}
	}
	if err := core.push(unreachable("nobody"), nil); !errors.Is(err, peer.ErrUnreachable) {
		t.Errorf("to nobody: %v", err)
	}
}

// A mirror takes a core from whoever has it, without a reservation, for it verifies; many at once.
func TestPushByStrangers(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 300)
	mirror := newMirror(t, ServerOptions{Accept: []keys.Key{core.key}})
	var wait sync.WaitGroup
	for range 6 {
		copied := newStore(t)
		if _, err := read(t, copied, core.key, proof.Claim{Kind: proof.KindAll}, FetchOptions{}, core.serving(ServerOptions{})); err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			ctx, stop := context.WithTimeout(t.Context(), 50*time.Second)
			defer stop()
			if err := NewServer(copied, ServerOptions{}).Push(ctx, mirror.dial(), []keys.Key{core.key}, PushOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if !bytes.Equal(mirror.content(core.key), core.bytes()) {
		t.Fatal("the mirror has something else")
	}
}

// Halves of a log from two who each have one come together.
func TestPushHalves(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 64)
	mirror := newMirror(t, ServerOptions{Accept: []keys.Key{core.key}})
	for _, claim := range []proof.Claim{{Kind: proof.KindBlocks, From: 32, To: 63}, {Kind: proof.KindBlocks, From: 0, To: 31}} {
		half := newStore(t)
		if _, err := read(t, half, core.key, claim, FetchOptions{}, core.serving(ServerOptions{})); err != nil {
			t.Fatal(err)
		}
		if err := NewServer(half, ServerOptions{}).Push(t.Context(), mirror.dial(), []keys.Key{core.key}, PushOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(mirror.content(core.key), core.bytes()) {
		t.Fatal("the mirror has something else")
	}
}

// A server tells when a peer that connects to it has all.
func TestServeUntil(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 50)
	mirror := newMirror(t, ServerOptions{Accept: []keys.Key{core.key}})
	server := NewServer(core.store, ServerOptions{})
	ours, theirs := pair(t)
	synced := make(chan struct{})
	background(t, func(ctx context.Context) {
		_ = server.ServeUntil(ctx, "mirror", theirs, []keys.Key{core.key}, func() { close(synced) })
	})
	// A mirror dials nobody by itself: what stands here for one is a push of its own (empty) copy, over which it is given ours.
	background(t, func(ctx context.Context) {
		_ = mirror.server.Push(ctx, over("signer", ours), []keys.Key{core.key}, PushOptions{})
	})
	select {
	case <-synced:
	case <-time.After(50 * time.Second):
		t.Fatal("nobody told that the mirror has all")
	}
	if !bytes.Equal(mirror.content(core.key), core.bytes()) {
		t.Fatal("the mirror has something else")
	}
}

func TestReserveHostile(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 3)
	mirror := newMirror(t, ServerOptions{Accept: []keys.Key{core.key}})
	if err := core.push(mirror.dial(), nil); err != nil {
		t.Fatal(err)
	}
	snapshot, err := hypercore.OpenSnapshot(t.Context(), core.store, core.key)
	if err != nil {
		t.Fatal(err)
	}
	base := signedHead(snapshot.Head())
	next := keys.Head{Length: base.Length + 1, TreeHash: base.TreeHash}
	secret, err := core.store.Secret(core.key)
	if err != nil {
		t.Fatal(err)
	}
	stranger := keys.SecretFromSeed([32]byte{9})
	strangers, err := keys.NewAuth(keys.DefaultManifest(stranger.Public()).Key(), keys.DefaultManifest(stranger.Public()).Encode())
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(r keys.Reservation, m *reserveMessage){
		"a stranger's signature": func(r keys.Reservation, m *reserveMessage) {
			m.signature, _ = strangers.SignReservation(stranger, r)
		},
		"a stranger's manifest": func(_ keys.Reservation, m *reserveMessage) { m.manifest = strangers.Manifest() },
		"no manifest":           func(_ keys.Reservation, m *reserveMessage) { m.manifest = nil },
		"another head":          func(_ keys.Reservation, m *reserveMessage) { m.next.Length++ },
		"another connection's": func(r keys.Reservation, m *reserveMessage) {
			r.Connection[0]++
			m.signature, _ = snapshot.Auth().SignReservation(secret, r)
		},
	} {
		a := ask(t, mirrorConn(t, mirror), core.key).openPublish()
		r := keys.Reservation{Connection: a.link.handshakeHash, Base: base, Next: next}
		m := reserveMessage{base: base, next: next, manifest: snapshot.Auth().Manifest()}
		if m.signature, err = snapshot.Auth().SignReservation(secret, r); err != nil {
			t.Fatal(err)
		}
		change(r, &m)
		a.send(typeReserve, m.append(nil))
		if code, _, err := decodeAnswer(a.await(typeAnswer)); err != nil || code != answerRefused {
			t.Errorf("%s: answer %d, %v, want that it is refused", name, code, err)
		}
	}
}

// A mirror goes over to a new fork of its owner's where it was told to, and keeps what it has where it was not.
func TestPushNewFork(t *testing.T) {
	noLeaks(t)
	for _, follows := range []bool{false, true} {
		core := newCore(t, 10)
		other := core.twin(6, 20)
		mirror := newMirror(t, ServerOptions{Accept: []keys.Key{core.key}, FollowForks: follows})
		if err := NewServer(other.store, ServerOptions{}).Push(t.Context(), mirror.dial(), []keys.Key{core.key}, PushOptions{}); err != nil {
			t.Fatal(err)
		}
		core.newFork(other)
		core.blocks = append(core.blocks, []byte("under a new fork"))
		core.append(core.blocks[10])
		err := core.push(mirror.dial(), nil)
		if !follows {
			if err == nil || !bytes.Equal(mirror.content(core.key), other.bytes()) {
				t.Errorf("without following: %v", err)
			}
			continue
		}
		if err != nil || !bytes.Equal(mirror.content(core.key), core.bytes()) {
			t.Errorf("following: %v; the mirror has %d bytes, want %d", err, len(mirror.content(core.key)), len(core.bytes()))
		}
		if seen, err := mirror.store.SeenHeads(t.Context(), core.key); err != nil || len(seen) > 0 {
			t.Errorf("seen %+v, %v", seen, err)
		}
		core.blocks = append(core.blocks, []byte("and more"))
		core.append(core.blocks[11])
		if err := core.push(mirror.dial(), nil); err != nil || !bytes.Equal(mirror.content(core.key), core.bytes()) {
			t.Errorf("the next push: %v", err)
		}
	}
}

// A reader who comes with more than the owner has is asked for its head; who is level or behind is asked for nothing.
func TestOwnerHearsOfItFromReaders(t *testing.T) {
	noLeaks(t)
	for _, more := range []int{-3, 0, 5} {
		core := newCore(t, 10)
		reader := core.twin(10+min(more, 0), max(more, 0))
		heard := make(chan hypercore.Proved, 16)
		server := NewServer(core.store, ServerOptions{Guard: func(_ context.Context, proved hypercore.Proved) error {
			err := hypercore.Guard(t.Context(), core.store, proved)
			heard <- proved
			return err
		}})
		ours, theirs := pair(t)
		served := make(chan error, 1)
		background(t, func(ctx context.Context) { served <- server.Serve(ctx, "reader", theirs) })
		// The reader's own side is a server, too: it shows what it has, and ends when the owner has that.
		pushed := make(chan error, 1)
		background(t, func(ctx context.Context) {
			pushed <- NewServer(reader.store, ServerOptions{}).Push(ctx, over("owner", ours), []keys.Key{core.key}, PushOptions{})
		})
		if more > 0 {
			if proved := <-heard; proved.Head.TreeHash != reader.head().TreeHash {
				t.Errorf("heard of %+v", proved.Head)
			}
			if seen := core.seen(); len(seen) != 1 || seen[0].Length != 15 {
				t.Errorf("seen %+v", seen)
			}
			continue
		}
		if err := errors.Join(<-pushed, <-served); err != nil {
			t.Errorf("%d more: %v", more, err)
		}
		if len(heard) > 0 || len(core.seen()) > 0 {
			t.Errorf("%d more: heard %+v", more, <-heard)
		}
	}
}

func (c *testCore) seen() []store.Head {
	c.t.Helper()
	seen, err := c.store.SeenHeads(c.t.Context(), c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	return seen
}

// A peer that brings what was not asked for, or is not what the key signed, loses its connection at once, and holds up nobody
// who comes with the same.
func TestMirrorDropsLiars(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 10)
	for name, change := range map[string]func(*merkle.Proof){
		"what was not asked for":    func(p *merkle.Proof) { p.ID += 1000 },
		"a head that nobody signed": func(p *merkle.Proof) { p.Upgrade.Signature = bytes.Repeat([]byte{7}, len(p.Upgrade.Signature)) },
	} {
		mirror := NewServer(newStore(t), ServerOptions{Accept: []keys.Key{core.key}})
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		defer stop()
		for range maxCoreSinks + 1 {
			conn := core.lying(&liar{capable: true, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error {
				return l.honest(ch, r, change)
			}})
			if err := mirror.Push(ctx, over("liar", conn), []keys.Key{core.key}, PushOptions{}); err == nil || ctx.Err() != nil {
				t.Fatalf("%s: %v, %v", name, err, ctx.Err())
			}
		}
	}
}

// A mirror that asks for the log before it has promised the length is shown nothing of it.
func TestPushWithholds(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 3)
	ours, theirs := pair(t)
	pushed := make(chan error, 1)
	var sent atomic.Int64
	background(t, func(context.Context) {
		pushed <- core.push(over("mirror", ours), func(bool, *merkle.Proof) { sent.Add(1) })
	})
	mux, secret, err := connect(t.Context(), theirs, false, limits{})
	if err != nil {
		t.Fatal(err)
	}
	a := &asking{t: t, mux: mux, link: link{key: core.key, handshakeHash: secret.HandshakeHash()}, ended: make(chan error, 1), heard: make(chan message, 1<<10), hears: make(chan struct{})}
	reserving := &asking{t: t, heard: make(chan message, 1<<10), hears: make(chan struct{})}
	mux.OnPair(func(protocol string, id, _ []byte) {
		if protocol == publishProtocol {
			_, _ = mux.Open(protocol, id, a.link.capability(), reserving)
		}
	})
	background(t, func(ctx context.Context) { a.ended <- mux.Run(ctx) })
	reserving.await(typeOpened)
	a.open().await(typeClosed)
	mux.Close(errors.New("the mirror has tried"))
	if err := <-pushed; !errors.Is(err, ErrLost) {
		t.Errorf("the push ended in %v, want %v", err, ErrLost)
	}
	if n := sent.Load(); n > 0 {
		t.Errorf("%d proofs left", n)
	}
}
