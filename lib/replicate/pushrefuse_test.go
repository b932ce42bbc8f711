package replicate

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/replicate/publish"
	"hc/lib/replicate/replicatetest"
	"hc/lib/store"
)

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
			ctx, stop := context.WithTimeout(t.Context(), waitLimit)
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
	for name, change := range map[string]func(r keys.Reservation, m *publish.Reserve){
		"a stranger's signature": func(r keys.Reservation, m *publish.Reserve) {
			m.Signature, _ = strangers.SignReservation(stranger, r)
		},
		"a stranger's manifest": func(_ keys.Reservation, m *publish.Reserve) { m.Manifest = strangers.Manifest() },
		"no manifest":           func(_ keys.Reservation, m *publish.Reserve) { m.Manifest = nil },
		"another head":          func(_ keys.Reservation, m *publish.Reserve) { m.Next.Length++ },
		"another connection's": func(r keys.Reservation, m *publish.Reserve) {
			r.Connection[0]++
			m.Signature, _ = snapshot.Auth().SignReservation(secret, r)
		},
	} {
		a := ask(t, mirrorConn(t, mirror), core.key).openPublish()
		r := keys.Reservation{Connection: a.link.handshakeHash, Base: base, Next: next}
		m := publish.Reserve{Base: base, Next: next, Manifest: snapshot.Auth().Manifest()}
		if m.Signature, err = snapshot.Auth().SignReservation(secret, r); err != nil {
			t.Fatal(err)
		}
		change(r, &m)
		a.send(publish.TypeReserve, m.Append(nil))
		if code, _, err := publish.DecodeAnswer(a.await(publish.TypeAnswer)); err != nil || code != publish.Refused {
			t.Errorf("%s: answer %d, %v, want that it is refused", name, code, err)
		}
	}
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
		ctx, stop := context.WithTimeout(t.Context(), waitLimit)
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
	mux, secret, err := connect(t.Context(), theirs, false, limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &asking{t: t, mux: mux, link: link{key: core.key, handshakeHash: secret.HandshakeHash()}, ended: make(chan error, 1), heard: make(chan message, 1<<10), hears: make(chan struct{})}
	reserving := &asking{t: t, heard: make(chan message, 1<<10), hears: make(chan struct{})}
	mux.OnPair(func(protocol string, id, _ []byte) {
		if protocol == publish.Protocol {
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

// owner has all of a core, says that it signs that itself, and hangs up.
type owner struct {
	replicatetest.Unhearing
	mux *protomux.Mux
	has keys.Head
}

func (o *owner) OnOpen(channel *protomux.Channel, _ []byte) error {
	defer o.mux.Close(nil)
	return errors.Join(channel.Send(publish.TypeState, publish.AppendState(nil, o.has)), channel.Send(publish.TypeAnswer, publish.AppendAnswer(nil, publish.Owned, o.has)))
}

// A push ends in what the peer said, though it hung up behind that, and is found to have when something else is to be said to it.
func TestPushHearsWhyItHangsUp(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 3)
	snapshot, err := hypercore.OpenSnapshot(t.Context(), core.store, core.key)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		ours, theirs := pair(t)
		hungUp, pushed, asked := make(chan struct{}), make(chan error, 1), 0
		secret := func(key keys.Key) (keys.Secret, error) {
			if asked++; asked == 2 {
				<-hungUp
			}
			return core.store.Secret(key)
		}
		background(t, func(ctx context.Context) {
			pushed <- NewServer(core.store, ServerOptions{}).Push(ctx, over("owner", ours), []keys.Key{core.key, core.key}, PushOptions{Secret: secret})
		})
		mux, shared, err := connect(t.Context(), theirs, false, limits{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		l := link{key: core.key, handshakeHash: shared.HandshakeHash()}
		mux.OnPair(func(protocol string, id, _ []byte) {
			_, _ = mux.Open(protocol, id, l.capability(), &owner{mux: mux, has: signedHead(snapshot.Head())})
		})
		background(t, func(ctx context.Context) {
			defer close(hungUp)
			_ = mux.Run(ctx)
		})
		if err := <-pushed; !errors.Is(err, store.ErrConflict) {
			t.Fatalf("the push ended in %v, want %v", err, store.ErrConflict)
		}
	}
}
