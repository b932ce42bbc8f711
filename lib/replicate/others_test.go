package replicate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
	"hc/lib/secretstream"
)

func refuse(ch *protomux.Channel, r merkle.Request) error {
	return ch.Send(messages.TypeNoData, messages.NoData{Request: r.ID, Reason: messages.ReasonNotAvailable}.Append(nil))
}

func announce(ch *protomux.Channel, start, length uint64) error {
	return ch.Send(messages.TypeRange, messages.Range{Start: start, Length: length}.Append(nil))
}

// None of these peers is dropped at once for a bad proof; what they say must not keep a good peer from being asked.
func TestOthersGoOn(t *testing.T) {
	cases := []struct {
		name string
		liar liar
	}{
		{"tells of a fork that nobody signed", liar{
			says:      func(m *messages.Sync) { m.Fork, m.Length = 999, 100 },
			onRequest: func(_ *liar, ch *protomux.Channel, r merkle.Request) error { return refuse(ch, r) },
		}},
		{"tells again and again of a longer log that it does not prove", liar{
			says: func(m *messages.Sync) { m.Length = 1 << 40 },
			onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error {
				if err := refuse(ch, r); err != nil {
					return err
				}
				return ch.Send(messages.TypeSync, messages.Sync{CanUpgrade: true, Uploading: true, Length: 1<<40 + r.ID}.Append(nil))
			},
		}},
		{"takes the upgrade and is silent", liar{
			says:      func(m *messages.Sync) { m.Length = 1 << 40 },
			onRequest: func(*liar, *protomux.Channel, merkle.Request) error { return nil },
		}},
		{"never tells its state", liar{
			says: func(m *messages.Sync) { m.Length = mute },
		}},
		{"refuses what it announces", liar{
			onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error {
				if r.Block == nil {
					return l.honest(ch, r, nil)
				}
				if err := refuse(ch, r); err != nil {
					return err
				}
				return announce(ch, r.Block.Index, 1)
			},
		}},
		{"chatters instead of answering", liar{
			onOpen: func(l *liar, ch *protomux.Channel) error {
				l.later(func(ctx context.Context) {
					ticker := time.NewTicker(10 * time.Millisecond)
					defer ticker.Stop()
					for i := uint64(0); ctx.Err() == nil; i++ {
						select {
						case <-ticker.C:
						case <-ctx.Done():
						}
						if announce(ch, i%300, 1) != nil {
							return
						}
					}
				})
				return announce(ch, 0, l.length)
			},
			onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error {
				if r.Block == nil {
					return l.honest(ch, r, nil)
				}
				return nil
			},
		}},
		{"floods announcements", liar{
			onOpen: func(l *liar, ch *protomux.Channel) error {
				l.later(func(ctx context.Context) {
					for i := uint64(1); ctx.Err() == nil; i++ {
						if announce(ch, i<<20, 1<<50) != nil {
							return
						}
					}
				})
				return nil
			},
		}},
		{"closes the channel", liar{onRequest: func(_ *liar, ch *protomux.Channel, _ merkle.Request) error {
			ch.Close()
			return nil
		}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			noLeaks(t)
			core := newCore(t, 300)
			bad := c.liar
			bad.capable = true
			began := time.Now()
			got, err := read(t, newStore(t), core.key, proof.Claim{}, FetchOptions{Stall: shortStall}, core.lying(&bad), core.serving(ServerOptions{}))
			if err != nil || !bytes.Equal(got, core.bytes()) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			t.Logf("took %v", time.Since(began))
		})
	}
}

// A peer with a true, longer head that sends a bad block is a liar, not the proof of a second history.
func TestABadBlockIsNoFork(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 20)
	long := core.longer(10)
	into := newStore(t)
	if _, err := read(t, into, core.key, proof.Claim{Kind: proof.KindBlocks, To: 3}, FetchOptions{}, core.serving(ServerOptions{})); err != nil {
		t.Fatal(err)
	}
	for _, grows := range []bool{false, true} {
		bad := &liar{capable: true, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error {
			return l.honest(ch, r, func(p *merkle.Proof) {
				if p.Block != nil {
					p.Block.Value = append([]byte("x"), p.Block.Value...)
				}
				if p.Upgrade != nil && p.Upgrade.Start > 0 && !grows {
					p.Upgrade.Nodes[0].Hash[0] ^= 1
				}
			})
		}}
		_, err := read(t, into, core.key, proof.Claim{}, FetchOptions{}, long.lying(bad))
		if !errors.Is(err, merkle.ErrUnverified) || errors.Is(err, hypercore.ErrForked) {
			t.Errorf("%v, want %v", err, merkle.ErrUnverified)
		}
	}
	if seen, err := into.SeenHeads(t.Context(), core.key); err != nil || len(seen) > 0 {
		t.Errorf("seen %+v, %v", seen, err)
	}
	got, err := read(t, into, core.key, proof.Claim{}, FetchOptions{}, long.serving(ServerOptions{}))
	if err != nil || !bytes.Equal(got, long.bytes()) {
		t.Errorf("from a good peer then: %d bytes, %v", len(got), err)
	}
}

// A reader that stops for longer than a peer may be silent loses no peer.
func TestSlowReaderLosesNoPeer(t *testing.T) {
	t.Parallel()
	noLeaks(t)
	core := &testCore{t: t, store: newStore(t)}
	for i := range 400 {
		core.blocks = append(core.blocks, bytes.Repeat([]byte{byte(i)}, 100_000))
	}
	core.append(core.blocks...)
	options := FetchOptions{Stall: shortStall, Window: 1 << 20, Dropped: func(_ string, reason error) { t.Errorf("lost a peer: %v", reason) }}
	in, out := io.Pipe()
	go func() {
		out.CloseWithError(WriteProof(t.Context(), out, keys.Ref{Key: core.key}, PipeOptions{Peers: []Dialer{over("server", core.serving(ServerOptions{}))}, Fetch: options}))
	}()
	paused := readerFunc(func(p []byte) (int, error) {
		n, err := in.Read(p)
		if n > 0 && p[0] == 200 {
			time.Sleep(20 * time.Millisecond)
		}
		return n, err
	})
	time.Sleep(shortStall + 500*time.Millisecond)
	var got bytes.Buffer
	if _, err := proof.Verify(t.Context(), paused, proof.Options{Key: &core.key, Out: &got}, nil); err != nil || !bytes.Equal(got.Bytes(), core.bytes()) {
		t.Errorf("%d bytes, %v", got.Len(), err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// slowConn lets bytes through at a trickle.
type slowConn struct {
	peer.Conn
	at time.Duration // for each KiB
}

func (c slowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), 1<<10)])
	time.Sleep(c.at)
	return n, err
}

// A block that takes longer than a peer may be silent, over a link that is slow but not dead, still comes.
func TestSlowLinkIsNotSilent(t *testing.T) {
	t.Parallel()
	noLeaks(t)
	core := &testCore{t: t, store: newStore(t)}
	core.blocks = [][]byte{bytes.Repeat([]byte("slow"), 40_000)}
	core.append(core.blocks...)
	conn := slowConn{core.serving(ServerOptions{}), 50 * time.Millisecond} // 157 KiB take longer than it may be silent
	var stream, got bytes.Buffer
	options := FetchOptions{Stall: shortStall}
	err := WriteProof(t.Context(), &stream, keys.Ref{Key: core.key}, PipeOptions{Peers: []Dialer{over("slow", conn)}, Fetch: options})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proof.Verify(t.Context(), &stream, proof.Options{Key: &core.key, Out: &got}, nil); err != nil || !bytes.Equal(got.Bytes(), core.bytes()) {
		t.Errorf("%d bytes, %v", got.Len(), err)
	}
}

// Who shakes hands slowly is dropped, on both sides.
func TestSlowHandshake(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 3)
	dropped := make(chan error, 1)
	options := ServerOptions{Handshake: 100 * time.Millisecond, Dropped: func(_ string, reason error) { dropped <- reason }}
	conn := core.serving(options)
	defer conn.Close()
	_, _ = conn.Write([]byte{0x20, 0}) // two of the three bytes of a length
	select {
	case reason := <-dropped:
		if !bytes.Contains([]byte(reason.Error()), []byte("no handshake within")) {
			t.Errorf("dropped because of %v", reason)
		}
	case <-time.After(waitLimit):
		t.Error("not dropped")
	}
	ours, theirs := pair(t)
	defer theirs.Close()
	_, err := read(t, nil, core.key, proof.Claim{}, FetchOptions{Handshake: 100 * time.Millisecond}, ours)
	if !errors.Is(err, ErrLost) {
		t.Errorf("a peer that does not shake hands: %v, want %v", err, ErrLost)
	}
}

// Who shakes hands and opens nothing is dropped when he stalls, and told.
func TestSilenceBehindTheHandshake(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 3)
	ours, theirs := pair(t)
	background(t, func(ctx context.Context) { silence(ctx, theirs) })
	_, err := read(t, nil, core.key, proof.Claim{}, FetchOptions{Stall: 200 * time.Millisecond}, ours)
	if !errors.Is(err, ErrLost) {
		t.Errorf("%v, want %v", err, ErrLost)
	}
}

// silence shakes hands and only reads.
func silence(ctx context.Context, conn *net.TCPConn) {
	c, err := secretstream.Handshake(ctx, conn, secretstream.Options{})
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	for err == nil {
		_, err = c.ReadMessage()
	}
}
