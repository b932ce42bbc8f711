package interop

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/replicate"
	"hc/lib/store"
)

// recorder counts how often each tree node was received.
type recorder struct{ nodes map[uint64]int }

func (r *recorder) trace(_ bool, p *merkle.Proof) {
	if p.Block != nil {
		r.add(p.Block.Nodes)
	}
	if p.Hash != nil {
		r.add(p.Hash.Nodes)
	}
	if p.Upgrade != nil {
		r.add(p.Upgrade.Nodes)
		r.add(p.Upgrade.Additional)
	}
}

func (r *recorder) add(nodes []merkle.Node) {
	for _, node := range nodes {
		r.nodes[node.Index]++
	}
}

func (r *recorder) check(t *testing.T) {
	t.Helper()
	if len(r.nodes) == 0 {
		t.Error("no tree node was recorded")
	}
	for index, count := range r.nodes {
		if count > 1 {
			t.Errorf("node %d came %d times", index, count)
		}
	}
}

// No tree node is received twice, whether a core is fetched whole or in parts, from stock or from us.
func TestNoNodeComesTwice(t *testing.T) {
	sources := map[string]func(t *testing.T) (key, address string){
		"stock 11": func(t *testing.T) (string, string) { return stockCore(t) },
		"stock 10": func(t *testing.T) (string, string) { return stockCore(t, "--v10") },
		"ours": func(t *testing.T) (string, string) {
			dir := t.TempDir()
			key := publish(t, dir, "data", random(1000*64, 11), "--algorithm fixed --avg 64")
			return key, serve(t, dir)
		},
	}
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			key, address := source(t)
			t.Run("whole", func(t *testing.T) {
				r := &recorder{nodes: map[uint64]int{}}
				r.fetch(t, newStore(t), key, address, proof.Claim{})
				r.check(t)
				if len(r.nodes) > 1000 {
					t.Errorf("%d nodes came for 1000 blocks", len(r.nodes))
				}
			})
			t.Run("sparse", func(t *testing.T) {
				r, into := &recorder{nodes: map[uint64]int{}}, newStore(t)
				for _, block := range rand.New(rand.NewPCG(5, 6)).Perm(1000)[:50] {
					r.fetch(t, into, key, address, proof.Claim{Kind: proof.KindBlocks, From: uint64(block), To: uint64(block)})
				}
				r.fetch(t, into, key, address, proof.Claim{Kind: proof.KindBytes, From: 30000, To: 40000})
				r.check(t)
			})
		})
	}
}

func stockCore(t *testing.T, flags ...string) (key, address string) {
	writer := startStock(t, append(flags, "--listen")...)
	writer.do("appended", "append 1000 64")
	return writer.Ready.Key, writer.address()
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	in, err := store.Open(t.Context(), filepath.Join(t.TempDir(), ".hc"), store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in
}

func (r *recorder) fetch(t *testing.T, into *store.Store, key, address string, claim proof.Claim) {
	t.Helper()
	parsed, err := keys.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	err = replicate.WriteProof(t.Context(), io.Discard, keys.Ref{Key: parsed}, replicate.PipeOptions{
		Store: into,
		Claim: claim,
		Peers: []replicate.Dialer{{Name: address, Dial: func(ctx context.Context) (peer.Conn, error) { return peer.Dial(ctx, address) }}},
		Fetch: replicate.FetchOptions{Trace: r.trace},
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
