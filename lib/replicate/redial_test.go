package replicate

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hc/lib/hypercore"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/protomux"
)

// A live fetch, of a log or of a drive, tries a peer again that it has lost, while another one, who is behind for good, is there; and
// tells of the loss once.
func TestLostPeerIsRedialled(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 5)
	behind := &testCore{t: t, store: newStore(t), key: core.key}
	core.reads(behind.store)
	connect := core.server(ServerOptions{})
	lost, conns := make(chan string, 10), make(chan net.Conn, 10)
	var dials atomic.Int64
	flaky := Dialer{Name: "flaky", Dial: func(context.Context) (peer.Conn, error) {
		if dials.Add(1) == 2 {
			return nil, peer.ErrUnreachable
		}
		conn := connect()
		conns <- conn
		return conn, nil
	}}
	for name, shared := range map[string]bool{"a connection of its own": false, "one that is shared": true} {
		t.Run(name, func(t *testing.T) {
			dials.Store(0)
			ctx, stop := context.WithTimeout(t.Context(), waitLimit)
			defer stop()
			peers, hangUp := []Dialer{over("behind", behind.serving(ServerOptions{})), flaky}, func() {}
			if shared {
				peers, hangUp = share(ctx, peers, limits{})
			}
			d, err := hypercore.NewDownload(ctx, core.key, hypercore.DownloadOptions{Store: newStore(t), Scattered: true})
			if err != nil {
				t.Fatal(err)
			}
			var fetching sync.WaitGroup
			fetching.Go(func() {
				_ = Fetch(ctx, d, peers, FetchOptions{Live: true, Claim: proof.Claim{Kind: proof.KindHead}, Dropped: func(name string, _ error) { lost <- name }})
			})
			head, err := d.Head(ctx)
			if err != nil {
				t.Fatal(err)
			}
			_ = (<-conns).Close()
			if name := <-lost; name != "flaky" {
				t.Errorf("%s is lost", name)
			}
			core.append([]byte("what the other one never has"))
			if head, err = d.Next(ctx, head); err != nil || head.Length <= 5 {
				t.Errorf("at length %d, %v", head.Length, err)
			}
			if dials.Load() != 3 || len(lost) > 0 {
				t.Errorf("dialled %d times, %d more losses told", dials.Load(), len(lost))
			}
			<-conns
			stop()
			fetching.Wait()
			hangUp()
		})
	}
}

// A peer that ends the connection when it is asked for some blocks is dialled again at once, also by fetches that share the connection, and
// gives all others; not without end.
func TestFatalQuestionsAreFound(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 40)
	for name, c := range map[string]struct {
		fatal, missing uint64 // each block that this divides; 0: none
		shared         bool
	}{
		"none":              {0, 0, false},
		"some":              {13, 4, false},
		"some, shared line": {13, 4, true},
		"all":               {1, 40, false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), waitLimit)
			defer stop()
			var dials atomic.Int64
			peers, hangUp := []Dialer{{Name: "stock", Dial: func(context.Context) (peer.Conn, error) {
				dials.Add(1)
				return core.lying(&liar{capable: true, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error {
					if c.fatal > 0 && r.Block != nil && r.Block.Index%c.fatal == 0 {
						return errors.New("no such node")
					}
					return l.honest(ch, r, nil)
				}}), nil
			}}}, func() {}
			if c.shared {
				peers, hangUp = share(ctx, peers, limits{})
			}
			d, err := hypercore.NewDownload(ctx, core.key, hypercore.DownloadOptions{Store: newStore(t), Scattered: true})
			if err != nil {
				t.Fatal(err)
			}
			var fetching sync.WaitGroup
			fetching.Go(func() { _ = Fetch(ctx, d, peers, FetchOptions{Claim: proof.Claim{Kind: proof.KindHead}}) })
			d.Want(hypercore.BlockRange{End: 40})
			if err := d.AwaitWants(ctx); err != nil {
				t.Error(err)
			}
			missing, err := d.Missing(ctx, hypercore.BlockRange{End: 40})
			if err != nil || missing != c.missing || uint64(dials.Load()) > 2*c.missing+2 {
				t.Errorf("%d blocks are missing, %v, want %d; dialled %d times", missing, err, c.missing, dials.Load())
			}
			stop()
			fetching.Wait()
			hangUp()
		})
	}
}

// Who comes back is waited for ever longer, and who was sent away is not asked again.
func TestRedialBacksOff(t *testing.T) {
	f := newFetcher(mustDownload(t), FetchOptions{Live: true})
	wait := time.Duration(0)
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		f.away = nil
		f.goneAway(&session{peer: unreachable("a"), waited: wait}, ErrLost)
		if wait = f.away[0].wait; wait != want*time.Second {
			t.Errorf("waits %v, want %d s", wait, want)
		}
	}
	f.away = nil
	f.goneAway(&session{peer: unreachable("a"), waited: wait, standing: standing{synced: true}}, ErrLost)
	if f.away[0].wait != firstRedial {
		t.Errorf("behind a connection that was good: %v", f.away[0].wait)
	}
	f.away = nil
	for _, why := range []error{ErrPeer, ErrNotOffered, errors.Join(ErrLost, merkle.ErrUnverified)} {
		if f.goneAway(&session{peer: unreachable("a")}, why); f.away != nil {
			t.Errorf("%v: tried again", why)
		}
	}
}
