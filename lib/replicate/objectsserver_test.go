package replicate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/objects"
	"hc/lib/proof"
	"hc/lib/replicate/answers"
	"hc/lib/replicate/replicatetest"
	"hc/lib/secretstream"
	"hc/lib/store"
)

// Readers get what they asked for while others take frames, use them, and give them back: no frame is given back before what is in it was
// sent, and none is used by two. The blocks are of all kinds that a frame has, those of one answer have more lengths than fit before it.
func TestFramesAreNotShared(t *testing.T) {
	core := &testCore{t: t, store: newStore(t)}
	core.blocks = replicatetest.Blocks(60, 50_000)
	for i := range 20_000 {
		core.blocks = append(core.blocks, fmt.Appendf(nil, "%d,", i))
	}
	core.append(core.blocks...)
	connect := core.server(ServerOptions{})
	noise := &testCore{t: t, store: newStore(t)}
	noise.append(replicatetest.Blocks(30, 64<<10)...)
	other, err := hypercore.OpenSnapshot(t.Context(), noise.store, noise.key)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var others, readers sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				frame := answers.Take(objects.MaxRaw)
				if _, count, err := answers.Pack(t.Context(), other, []objects.Span{{First: 0, Count: 30}}, frame, answers.PackOptions{Most: objects.MaxRaw}); err != nil || count != 30 {
					t.Errorf("%d blocks, %v", count, err)
				}
				frame.GiveBack()
			}
		})
	}
	for range 3 {
		into, conn := newStore(t), connect()
		readers.Go(func() {
			got, err := read(t, into, core.key, proof.Claim{Kind: proof.KindAll}, FetchOptions{}, conn)
			if err != nil || !bytes.Equal(got, core.bytes()) {
				t.Errorf("%d bytes of %d, %v", len(got), len(core.bytes()), err)
			}
		})
	}
	readers.Wait()
	close(stop)
	others.Wait()
}

// What an answer leaves out, as where many are connected, is asked for again; but once it is known that answers are short, nothing of what
// came.
func TestCrowdedReader(t *testing.T) {
	noLeaks(t)
	core := &testCore{t: t, store: newStore(t)}
	core.blocks = replicatetest.Blocks(1200, 64<<10)
	core.append(core.blocks...)
	server := NewServer(core.store, ServerOptions{})
	background(t, func(ctx context.Context) {
		if err := server.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	connect := func() *net.TCPConn {
		ours, theirs := pair(t)
		background(t, func(ctx context.Context) { _ = server.Serve(ctx, "reader", theirs) })
		return ours
	}
	few := 0
	for answers.Most(few+1) == objects.MaxRaw {
		few++
	}
	for range few {
		idle := connect()
		background(t, func(ctx context.Context) { silentReader(ctx, idle) })
	}
	for connected := 0; connected < few; runtime.Gosched() { // until the test times out
		server.mu.Lock()
		connected = len(server.conns)
		server.mu.Unlock()
	}
	for _, into := range []*store.Store{nil, newStore(t)} {
		var came atomic.Int64
		peers := []Dialer{over("server", counted{connect(), &came})}
		if err := WriteProof(t.Context(), io.Discard, keys.Ref{Key: core.key}, PipeOptions{Store: into, Peers: peers}); err != nil {
			t.Fatal(err)
		}
		if all := int64(len(core.bytes())); came.Load() > all+defaultWindow { // what was on its way when the first answer was short
			t.Errorf("kept %v: %d bytes came for %d", into != nil, came.Load(), all)
		}
	}
}

// silentReader shakes hands as a reader, and asks for nothing.
func silentReader(ctx context.Context, conn *net.TCPConn) {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c, err := secretstream.Handshake(ctx, conn, secretstream.Options{Initiator: true})
	for err == nil {
		_, err = c.ReadMessage()
	}
}
