package replicate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
)

// onceOnly fails the test where a tree node is received twice, or one comes that its receiver could compute.
type onceOnly struct {
	t     *testing.T
	mu    sync.Mutex
	nodes map[uint64]bool
	count int
}

func (o *onceOnly) trace(_ bool, p *merkle.Proof) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.nodes == nil {
		o.nodes = map[uint64]bool{}
	}
	var nodes []merkle.Node
	if p.Block != nil {
		nodes = append(nodes, p.Block.Nodes...)
	}
	if p.Hash != nil {
		nodes = append(nodes, p.Hash.Nodes...)
	}
	if p.Upgrade != nil && (p.Upgrade.Start > 0 || o.count == 0) { // another peer's head from nothing is only compared
		nodes = append(append(nodes, p.Upgrade.Nodes...), p.Upgrade.Additional...)
	}
	for _, node := range nodes {
		if o.nodes[node.Index] {
			o.t.Errorf("node %d came twice", node.Index)
		}
		o.nodes[node.Index] = true
		o.count++
	}
}

func TestWholeFetch(t *testing.T) {
	for _, count := range []int{1, 2, 3, 7, 64, 1000} {
		core := newCore(t, count)
		once := &onceOnly{t: t}
		got, err := read(t, newStore(t), core.key, proof.Claim{}, FetchOptions{Trace: once.trace}, core.serving(ServerOptions{}))
		if err != nil || !bytes.Equal(got, core.bytes()) {
			t.Fatalf("%d blocks: got %d bytes, %v", count, len(got), err)
		}
		if once.count > count {
			t.Errorf("%d blocks: %d nodes came, a tree over them has no more that cannot be computed", count, once.count)
		}
	}
}

func TestSparseFetchBringsNoNodeTwice(t *testing.T) {
	core, into := newCore(t, 1000), newStore(t)
	once := &onceOnly{t: t}
	for _, block := range rand.New(rand.NewPCG(3, 4)).Perm(1000)[:60] {
		claim := proof.Claim{Kind: proof.KindBlocks, From: uint64(block), To: uint64(block)}
		got, err := read(t, into, core.key, claim, FetchOptions{Trace: once.trace}, core.serving(ServerOptions{}))
		if err != nil || !bytes.Equal(got, core.blocks[block]) {
			t.Fatalf("block %d: got %d bytes, %v", block, len(got), err)
		}
	}
	for _, part := range [][2]uint64{{0, 10}, {777, 20000}, {50000, 50000}} {
		claim := proof.Claim{Kind: proof.KindBytes, From: part[0], To: part[1]}
		got, err := read(t, into, core.key, claim, FetchOptions{Trace: once.trace}, core.serving(ServerOptions{}))
		if err != nil || !bytes.Equal(got, core.bytes()[part[0]:part[1]+1]) {
			t.Fatalf("bytes %v: got %d bytes, %v", part, len(got), err)
		}
	}
}

func TestFetchWithoutStore(t *testing.T) {
	core := newCore(t, 5000)
	got, err := read(t, nil, core.key, proof.Claim{}, FetchOptions{}, core.serving(ServerOptions{}))
	if err != nil || !bytes.Equal(got, core.bytes()) {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
}

// Appends reach a live reader, and its stream verifies up to where it is cut.
func TestLiveFetch(t *testing.T) {
	core := newCore(t, 3)
	conn := core.serving(ServerOptions{})
	ctx, stop := context.WithTimeout(t.Context(), waitLimit)
	defer stop()
	in, out := io.Pipe()
	d, err := hypercore.NewDownload(ctx, core.key, hypercore.DownloadOptions{Store: newStore(t)})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() { _ = Fetch(ctx, d, []Dialer{over("writer", conn)}, FetchOptions{Live: true}) })
	wait.Go(func() {
		out.CloseWithError(write(ctx, out, d, keys.Ref{Key: core.key}, PipeOptions{Live: true}))
	})
	got := make(chan []byte, 100)
	wait.Go(func() {
		_, _ = proof.Verify(ctx, in, proof.Options{Key: &core.key}, lineSink(got))
	})
	next := func(want []byte) {
		t.Helper()
		select {
		case line := <-got:
			if !bytes.Equal(line, want) {
				t.Fatalf("got block %q, want %q", line, want)
			}
		case <-ctx.Done():
			t.Fatal("nothing came")
		}
	}
	for _, block := range core.blocks {
		next(block)
	}
	for i := range 20 {
		block := fmt.Appendf(nil, "live %d", i)
		core.append(block)
		next(block)
	}
	stop()
	in.Close()
	wait.Wait()
}

type lineSink chan []byte

func (s lineSink) Core(keys.Key, []byte) error                 { return nil }
func (s lineSink) Head(proof.Head, []merkle.Node) error        { return nil }
func (s lineSink) Nodes([]merkle.Node) error                   { return nil }
func (s lineSink) Block(_ uint64, data []byte, _, _ int) error { s <- bytes.Clone(data); return nil }
