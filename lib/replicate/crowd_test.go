package replicate

import (
	"context"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"

	"hc/lib/keys"
	"hc/lib/objects"
	"hc/lib/secretstream"
	"hc/lib/store"
)

// Where few are connected an answer is as long as one may be. Where many are it is short, in a short frame, and ends where a run does; but what
// is larger by itself comes all the same.
func TestCrowdedAnswers(t *testing.T) {
	core := &testCore{t: t, store: newStore(t)}
	core.blocks = append(blocksOf(40, 64<<10), blocksOf(1, 3<<20/2)...)
	core.append(core.blocks...)
	g, snapshot := core.answerer()
	connected := func(conns, want int) {
		t.Helper()
		for len(g.conn.server.conns) < conns {
			g.conn.server.conns[&serverConn{}] = true
		}
		if most := g.conn.mostRaw(); most != want {
			t.Errorf("%d get %d bytes, want %d", conns, most, want)
		}
	}
	connected(fewConns, objects.MaxRaw)
	connected(fewConns+1, crowdedRaw)
	connected(manyConns, crowdedRaw)
	connected(manyConns+1, packedRaw)
	for _, most := range []int{crowdedRaw, packedRaw} {
		frame := takeFrame(most)
		length := cap(frame.b)
		for at := uint64(0); at < 40; {
			answer, err := g.blocks(snapshot, objects.AskBlocks{Spans: []objects.Span{{First: at, Count: 40 - at}}}, nil, most, frame)
			if err != nil {
				t.Fatal(err)
			}
			if raw, _ := answer.Size(); raw > most || cap(frame.b) != length || length > most+frontRoom+backRoom {
				t.Errorf("block %d: an answer of %d bytes, in a frame of %d", at, raw, cap(frame.b))
			}
			for _, piece := range answer.Pieces {
				extent, err := snapshot.Extent(t.Context(), at, 40)
				if err != nil || !extent.Whole || int(extent.Count) != piece.Count {
					t.Fatalf("block %d: a piece of %d blocks, where a run has %d, %v", at, piece.Count, extent.Count, err)
				}
				at += extent.Count
			}
			frame.b = frame.b[:frontRoom]
		}
		answer, err := g.blocks(snapshot, objects.AskBlocks{Spans: []objects.Span{{First: 40, Count: 1}}}, nil, most, frame)
		if raw, count := answer.Size(); err != nil || count != 1 || raw != 3<<20/2 {
			t.Errorf("a block of 1.5 MiB: %d blocks of %d bytes, %v", count, raw, err)
		}
		frame.giveBack()
	}
}

// What an answer leaves out, as where many are connected, is asked for again; but once it is known that answers are short, nothing of what
// came.
func TestCrowdedReader(t *testing.T) {
	noLeaks(t)
	core := &testCore{t: t, store: newStore(t)}
	core.blocks = blocksOf(1200, 64<<10)
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
	for range fewConns {
		idle := connect()
		background(t, func(ctx context.Context) { silentReader(ctx, idle) })
	}
	for connected := 0; connected < fewConns; runtime.Gosched() { // until the test times out
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
