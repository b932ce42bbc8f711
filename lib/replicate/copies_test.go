package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"hc/lib/hash"
	"hc/lib/hypercore"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/store"
)

// noise is blocks that are like no others.
func noise(seed byte, count int) (blocks [][]byte) {
	random := rand.NewChaCha8([32]byte{seed})
	for range count {
		block := make([]byte, 700)
		_, _ = random.Read(block)
		blocks = append(blocks, block)
	}
	return blocks
}

// versions is a log of two versions, and a store with what a reader has of the first one: these blocks of it.
func versions(t *testing.T, first, second [][]byte, has ...proof.Claim) (core *testCore, into *store.Store) {
	t.Helper()
	core, into = &testCore{t: t, store: newStore(t)}, newStore(t)
	core.blocks = slices.Concat(first, second)
	core.append(first...)
	for _, claim := range has {
		if _, err := read(t, into, core.key, claim, FetchOptions{}, core.serving(ServerOptions{})); err != nil {
			t.Fatal(err)
		}
	}
	core.append(second...)
	return core, into
}

func blocks(from, to uint64) proof.Claim {
	return proof.Claim{Kind: proof.KindBlocks, From: from, To: to}
}

// secondOf claims all of a log's second version.
func secondOf(first, second [][]byte) proof.Claim {
	return blocks(uint64(len(first)), uint64(len(first)+len(second))-1)
}

// A second version costs the blocks that changed, and no hash for each of the others, whatever was done to it.
func TestSecondVersionNeedsNoLeafHashes(t *testing.T) {
	k := lots(1000)
	first, fresh := noise(1, 8*k), noise(2, 40)
	cases := map[string][][]byte{
		"the same":    first,
		"inserted":    slices.Concat(first[:3*k], fresh[:3], first[3*k:]),
		"replaced":    slices.Concat(first[:3*k], fresh[:3], first[3*k+3:7*k], fresh[3:5], first[7*k+2:]),
		"cut out":     slices.Concat(first[:k/2+1], first[k/2+9:4*k+345], first[6*k:]),
		"moved":       slices.Concat(first[6*k:], first[2*k:6*k], first[:2*k]),
		"longer":      slices.Concat(first, fresh[:40]),
		"in front":    slices.Concat(fresh[:40], first),
		"repeated":    slices.Concat(first[:2*k], first[:2*k], first[:2*k]),
		"one by one":  slices.Concat(first[:10], slices.Repeat(fresh[:1], 30), first[10:20], fresh[1:2], first[20:21], fresh[2:3], first[k/4+50:2*k]),
		"a few of it": first[5*k : 5*k+200],
	}
	for name, second := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, into := versions(t, first, second, proof.Claim{})
			wire, _ := fetchMetered(t, core, core.key, into, FetchOptions{}, core.serving(ServerOptions{}))
			bytes := 0
			for _, block := range changed(first, second) {
				bytes += len(block)
			}
			limit := int64(bytes)*115/100 + int64(len(second))*80/100 + 2500 // 1 % of the tree's hashes, and the handshake
			t.Logf("%d blocks, %d bytes changed: %d on the wire", len(second), bytes, wire)
			if wire > limit {
				t.Errorf("%d bytes on the wire, more than %d", wire, limit)
			}
		})
	}
}

// A reader who has only parts of the first version is told of these, and gets the rest.
func TestSecondVersionForWhoHasPartOfTheFirst(t *testing.T) {
	k := uint64(lots(1000))
	first := noise(1, int(6*k))
	second := slices.Concat(first[:5*k/2], noise(2, 3), first[5*k/2:])
	has := []proof.Claim{blocks(100, k-1), blocks(3*k, 5*k+99), blocks(5*k+200, 5*k+200)}
	core, into := versions(t, first, second, has...)
	got, err := read(t, into, core.key, secondOf(first, second), FetchOptions{}, core.serving(ServerOptions{}))
	if err != nil || !bytes.Equal(got, bytes.Join(second, nil)) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	var sent []merkle.Node
	trace := func(_ bool, p *merkle.Proof) {
		if p.Hash != nil {
			sent = append(sent, p.Hash.Nodes...)
		}
	}
	core, into = versions(t, first, second, has...)
	if _, err := read(t, into, core.key, blocks(6*k+100, 7*k-1), FetchOptions{Trace: trace}, core.serving(ServerOptions{})); err != nil {
		t.Fatal(err)
	}
	if len(sent) > 100 {
		t.Errorf("%d hashes came for %d blocks that are here", len(sent), k-100)
	}
}

// Versions that are appended while a reader follows cost their difference, too.
func TestVersionsThatAreFollowed(t *testing.T) {
	version := noise(1, 3000)
	core, into := versions(t, version, slices.Concat(noise(2, 1), version), proof.Claim{})
	core.append(slices.Concat(version, noise(3, 1))...)
	wire, _ := fetchMetered(t, core, core.key, into, FetchOptions{}, core.serving(ServerOptions{}))
	core.append(slices.Concat(version[1000:], noise(4, 1))...)
	third, _ := fetchMetered(t, core, core.key, into, FetchOptions{}, core.serving(ServerOptions{}))
	t.Logf("two versions: %d bytes on the wire, a third: %d", wire, third)
	if wire > 2*700*115/100+3000*2*80/100+2500 || third > 700*115/100+2001*80/100+2500 {
		t.Errorf("two versions took %d bytes on the wire, a third %d", wire, third)
	}
}

// Who does not say that it answers questions about copies is not asked any, nor is one who says that it answers others; both
// are asked for leaf hashes.
func TestCopiesAreAskedOfWhoKnowsThem(t *testing.T) {
	first := noise(1, 300)
	for name, knows := range map[string]uint64{"older": 0, "other": 1 << 19, "newer": objects.KnowsCopies | 1<<20} {
		core, into := versions(t, first, first, proof.Claim{})
		kinds := map[uint64]int{}
		l := &liar{capable: true, knows: knows, onObjects: func(l *liar, g *objectsServer, kind uint64, body []byte) error {
			kinds[kind]++
			return copying(func(*objects.Copies) {})(l, g, kind, body)
		}, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error { return l.honest(ch, r, nil) }}
		got, err := read(t, into, core.key, secondOf(first, first), FetchOptions{}, core.lying(l))
		if err != nil || !bytes.Equal(got, bytes.Join(first, nil)) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if new := knows&objects.KnowsCopies != 0; kinds[objects.TypeAskCopies] > 0 != new || kinds[objects.TypeAskLeaves] > 0 == new {
			t.Errorf("%s: asked %v", name, kinds)
		}
	}
}

// fetchBoasting fetches from a peer whom it tells that it holds the first blocks of the log of that length, whatever is here.
func fetchBoasting(t *testing.T, d *hypercore.Download, claim proof.Claim, held, length uint64, from *net.TCPConn) {
	t.Helper()
	var dropped error
	f := newFetcher(d, FetchOptions{keep: true, Claim: claim, Dropped: func(_ string, reason error) { dropped = reason }})
	f.told.spans, f.told.length = []objects.Span{{First: 0, Count: held}}, length
	ctx, stop := context.WithCancel(t.Context())
	f.begin(ctx, over("server", from))
	err := f.loop(ctx)
	stop()
	f.running.Wait()
	if err := f.finish(t.Context(), err); err != nil || dropped != nil {
		t.Fatalf("%v, dropped: %v", err, dropped)
	}
}

// A reader who does not have all that he said asks for leaf hashes, and blames nobody.
func TestReaderWhoForgot(t *testing.T) {
	first := noise(1, 200)
	core, into := versions(t, first, first, blocks(0, 99))
	d, err := hypercore.NewDownload(t.Context(), core.key, hypercore.DownloadOptions{Store: into})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[uint64]int{}
	l := &liar{capable: true, knows: objects.KnowsCopies, onObjects: func(l *liar, g *objectsServer, kind uint64, body []byte) error {
		kinds[kind]++
		return copying(func(*objects.Copies) {})(l, g, kind, body)
	}, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error { return l.honest(ch, r, nil) }}
	fetchBoasting(t, d, blocks(200, 399), 200, 400, core.lying(l))
	if kinds[objects.TypeAskCopies] == 0 || kinds[objects.TypeAskLeaves] == 0 {
		t.Errorf("asked %v", kinds)
	}
	view, err := into.View(t.Context(), core.key, false)
	if err != nil {
		t.Fatal(err)
	}
	for block := uint64(200); block < 400; block++ {
		if data, err := view.Block(t.Context(), block); err != nil || !bytes.Equal(data, first[block-200]) {
			t.Fatalf("block %d: %v", block, err)
		}
	}
}

// givesOf is an objectsServer of a core, for one who asks it directly.
func givesOf(t *testing.T, core *testCore) (*objectsServer, *hypercore.Snapshot) {
	t.Helper()
	snapshot, err := hypercore.OpenSnapshot(t.Context(), core.store, core.key)
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(core.store, ServerOptions{})
	return &objectsServer{conn: &serverConn{ctx: t.Context(), server: server}, core: &servedCore{key: core.key, users: 1}}, snapshot
}

// The index of a core that nobody reads any more is forgotten, and nothing is taken in for who still asks.
func TestIndexIsForgotten(t *testing.T) {
	first := noise(1, 100)
	core, _ := versions(t, first, first)
	g, snapshot := givesOf(t, core)
	ask := objects.AskCopies{AskLeaves: objects.AskLeaves{First: 100, Count: 100}, Held: []objects.Span{{First: 0, Count: 100}}}
	leaf, err := snapshot.Node(t.Context(), 2*50)
	if err != nil {
		t.Fatal(err)
	}
	index := g.indexOf(snapshot, 0, ask.Held, ask.First, ask.Count)
	if block, ok := index.Find(leaf.Hash); !ok || block != 50 {
		t.Errorf("found %v, block %d", ok, block)
	}
	g.conn.server.leave(g.core)
	if _, ok := g.indexOf(snapshot, 0, ask.Held, ask.First, ask.Count).Find(leaf.Hash); ok {
		t.Error("found where nobody reads")
	}
	if g.core.users = 1; g.conn.server.leafIndex(g.core, 0) == index {
		t.Error("what nobody read takes up room")
	}
}

// Short lines are in no index of the store; they are copied from where the core has them.
func TestLinesAreCopiedFromTheirOwnLog(t *testing.T) {
	var first [][]byte
	lines := max(lots(20_000), 10_000) // the handshake counts for too much of fewer
	for i := range lines {
		first = append(first, fmt.Appendf(nil, "%d: %d of many\n", i, i*i))
	}
	second := slices.Concat(first[:lines/3], [][]byte{[]byte("one more\n")}, first[lines/3:])
	core, into := versions(t, first, second, proof.Claim{})
	wire, copied := fetchMetered(t, core, core.key, into, FetchOptions{}, core.serving(ServerOptions{}))
	t.Logf("%d bytes of %d lines: %d on the wire", len(bytes.Join(second, nil)), len(second), wire)
	if copied < int64(len(bytes.Join(first, nil)))*99/100 || wire > int64(len(second))*80/100/2 {
		t.Errorf("%d bytes on the wire, %d copied", wire, copied)
	}
}

// What the disk has lost of an older version is asked of the peer.
func TestCopiesThatAreLost(t *testing.T) {
	first := noise(1, 2000)
	core, into := versions(t, first, first, proof.Claim{})
	packs, err := filepath.Glob(into.Dir() + "/packs/*")
	if err != nil || len(packs) == 0 {
		t.Fatalf("packs %v, %v", packs, err)
	}
	for _, path := range packs {
		pack, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(pack, first[500]); at >= 0 {
			pack[at+9] ^= 1
		}
		if err := os.WriteFile(path, pack, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := into.Object(t.Context(), hash.Leaf(first[500])); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("nothing is lost: %v", err)
	}
	got, err := read(t, into, core.key, secondOf(first, first), FetchOptions{}, core.serving(ServerOptions{}))
	if err != nil || !bytes.Equal(got, bytes.Join(first, nil)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
