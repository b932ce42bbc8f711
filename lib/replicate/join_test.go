package replicate

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/protomux"
)

// finding is how peers are found that come on a channel; it ends with the fetch.
func finding(peers chan Dialer) func(context.Context) <-chan Dialer {
	return func(context.Context) <-chan Dialer { return peers }
}

// found fetches all of a core from peers that are found meanwhile, and returns the names of those that were of use.
func found(t *testing.T, core *testCore, peers chan Dialer, options FetchOptions) (worked []string, err error) {
	t.Helper()
	var stream bytes.Buffer
	options.More = finding(peers)
	options.Worked = func(name string) { worked = append(worked, name) }
	err = WriteProof(t.Context(), &stream, keys.Ref{Key: core.key}, PipeOptions{Store: newStore(t), Fetch: options})
	if err != nil {
		return worked, err
	}
	var out bytes.Buffer
	if _, err := proof.Verify(t.Context(), &stream, proof.Options{Key: &core.key, Claim: &proof.Claim{}, Out: &out}, nil); err != nil || !bytes.Equal(out.Bytes(), core.bytes()) {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
	return worked, nil
}

// A fetch that nobody was named for waits for a peer, passes on those who are gone, lie or are silent, and ends when it has all.
func TestPeersJoin(t *testing.T) {
	t.Parallel()
	noLeaks(t)
	core := newCore(t, 300)
	peers := make(chan Dialer, 10)
	peers <- unreachable("gone")
	liar1 := &liar{capable: true, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error {
		return l.honest(ch, r, func(p *merkle.Proof) {
			if p.Upgrade != nil {
				p.Upgrade.Signature = bytes.Clone(p.Upgrade.Signature)
				p.Upgrade.Signature[9] ^= 1
			}
		})
	}}
	peers <- over("liar", core.lying(liar1))
	silent := &liar{capable: true, onRequest: func(*liar, *protomux.Channel, merkle.Request) error { return nil }}
	peers <- over("silent", core.lying(silent))
	lost := make(chan string, 10)
	go func() { // when all of these are gone
		for range 3 {
			<-lost
		}
		peers <- over("good", core.serving(ServerOptions{}))
	}()
	worked, err := found(t, core, peers, FetchOptions{Stall: shortStall, Dropped: func(name string, _ error) { lost <- name }})
	if err != nil || len(worked) != 1 || worked[0] != "good" {
		t.Errorf("%q were of use, %v", worked, err)
	}
}

// Where nobody is found that is told after a while, or at once when nobody looks any more.
func TestNobodyJoins(t *testing.T) {
	core := newCore(t, 3)
	peers := make(chan Dialer)
	if _, err := found(t, core, peers, FetchOptions{lonely: 50 * time.Millisecond}); !errors.Is(err, ErrLost) {
		t.Errorf("nobody comes: %v", err)
	}
	close(peers)
	began := time.Now()
	if _, err := found(t, core, peers, FetchOptions{lonely: time.Hour}); !errors.Is(err, ErrLost) || time.Since(began) > waitLimit {
		t.Errorf("nobody looks: %v behind %v", err, time.Since(began))
	}
	gone := make(chan Dialer, 1)
	gone <- unreachable("gone")
	if _, err := found(t, core, gone, FetchOptions{lonely: 50 * time.Millisecond}); !errors.Is(err, peer.ErrUnreachable) {
		t.Errorf("who comes is gone: %v", err)
	}
}

// Who joins late has as long as anybody before he counts as silent.
func TestLateJoinerIsGivenTime(t *testing.T) {
	f := newFetcher(mustDownload(t), FetchOptions{})
	f.began = f.began.Add(-time.Hour)
	joins := time.Now()
	s := f.add(t.Context(), "late")
	if err := s.misbehaves(joins.Add(defaultStall), defaultStall); err != nil {
		t.Error(err)
	}
	if err := s.misbehaves(time.Now().Add(2*defaultStall), defaultStall); !errors.Is(err, ErrLost) {
		t.Errorf("silent for long: %v, want %v", err, ErrLost)
	}
}

// The same peer is asked once at a time, and no more of them than can be of use.
func TestJoinersAreBounded(t *testing.T) {
	f := newFetcher(mustDownload(t), FetchOptions{})
	ctx, stop := context.WithCancel(t.Context())
	dial := Dialer{Name: "a", Dial: hang}
	f.join(ctx, dial, true)
	f.join(ctx, dial, true)
	if len(f.sessions) != 1 {
		t.Errorf("%d sessions with one peer", len(f.sessions))
	}
	for i := range 3 * maxJoined {
		f.join(ctx, Dialer{Name: string(rune('b' + i)), Dial: hang}, true)
	}
	if len(f.sessions) != maxJoined {
		t.Errorf("%d sessions", len(f.sessions))
	}
	stop()
	f.running.Wait()
}

func mustDownload(t *testing.T) *hypercore.Download {
	t.Helper()
	d, err := hypercore.NewDownload(t.Context(), keys.Key{1}, hypercore.DownloadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}
