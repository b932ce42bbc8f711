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

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/replicate/messages"
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
	ctx, stop := context.WithTimeout(c.t.Context(), waitLimit)
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
		m, err := messages.DecodeSync(a.await(messages.TypeSync))
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
	case <-time.After(waitLimit):
		t.Fatal("nobody told that the mirror has all")
	}
	if !bytes.Equal(mirror.content(core.key), core.bytes()) {
		t.Fatal("the mirror has something else")
	}
}

// Whoever knows the public key can say that he has more, and bring nothing: the signer does not wait for such.
func TestPushBesideThoseWhoBringNothing(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 20)
	dropped := make(chan error, maxCoreSinks)
	mirror := newMirror(t, ServerOptions{Accept: []keys.Key{core.key}, Dropped: func(_ string, reason error) { dropped <- reason }})
	for range maxCoreSinks {
		conn, err := mirror.dial().Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a := ask(t, conn.(*net.TCPConn), core.key).open()
		a.await(typeOpened)
		a.send(messages.TypeSync, messages.Sync{Uploading: true, Downloading: true, CanUpgrade: true, Length: 1000}.Append(nil))
		a.await(messages.TypeRequest)
	}
	if err := core.push(mirror.dial(), nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mirror.content(core.key), core.bytes()) {
		t.Error("the mirror has something else")
	}
	for range len(dropped) {
		if err := <-dropped; !errors.Is(err, store.ErrOvertaken) { // by the push
			t.Errorf("the push waited until one was dropped who brought nothing: %v", err)
		}
	}
}
