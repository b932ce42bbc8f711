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
	"time"

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

// copying answers as a real server does, after change had a look at the answer about copies.
func copying(change func(*objects.Copies)) func(*liar, *giver, uint64, []byte) error {
	return func(l *liar, g *giver, kind uint64, body []byte) error {
		if kind != objects.TypeAskCopies {
			return answering(nil, nil)(l, g, kind, body)
		}
		ask, err := objects.DecodeAskCopies(body)
		if err != nil {
			return err
		}
		answer, err := g.copies(l.snapshot, ask)
		if err != nil {
			return err
		}
		change(&answer)
		return g.channel.Send(objects.TypeCopies, answer.Append(nil))
	}
}

// raw answers questions about copies with something.
func raw(kind uint64, body func(ask objects.AskCopies) []byte) func(*liar, *giver, uint64, []byte) error {
	return func(l *liar, g *giver, asked uint64, question []byte) error {
		if asked != objects.TypeAskCopies {
			return answering(nil, nil)(l, g, asked, question)
		}
		ask, err := objects.DecodeAskCopies(question)
		if err != nil {
			return err
		}
		return g.channel.Send(kind, body(ask))
	}
}

// A peer who lies about copies is dropped with its reason, a good one beside it goes on, and what comes out is right.
func TestLiarsAboutCopies(t *testing.T) {
	first := noise(1, 300)
	second := slices.Concat(first[:30], noise(2, 1), first[30:100], noise(3, 2), first[100:])
	cases := []struct {
		name   string
		answer func(*liar, *giver, uint64, []byte) error
		want   error
	}{
		{"like another one", copying(func(m *objects.Copies) { m.Copies[0].From++ }), merkle.ErrUnverified},
		{"like far others", copying(func(m *objects.Copies) { m.Copies[len(m.Copies)-1].From = 200 }), merkle.ErrUnverified},
		{"like one that he has not", copying(func(m *objects.Copies) { m.Copies[0].From = 300 }), ErrPeer},
		{"like some that he has not", copying(func(m *objects.Copies) { m.Copies[0].From = 299 }), ErrPeer},
		{"more than was asked for", copying(func(m *objects.Copies) { m.Copies[len(m.Copies)-1].Count++ }), ErrPeer},
		{"fewer than were asked for", copying(func(m *objects.Copies) { m.Copies[0].Count-- }), ErrPeer},
		{"nothing", copying(func(m *objects.Copies) { m.Copies, m.Leaves = nil, nil }), ErrPeer},
		{"in place of a leaf", copying(func(m *objects.Copies) {
			m.Copies, m.Leaves = []objects.Copy{{Count: m.Count() + uint64(len(m.Leaves))}}, nil
		}), merkle.ErrUnverified},
		{"one by one, all wrong", copying(func(m *objects.Copies) {
			count := m.Count() + uint64(len(m.Leaves))
			m.Copies, m.Leaves = nil, nil
			for at := range count {
				m.Copies = append(m.Copies, objects.Copy{At: at, Count: 1, From: 299 - at})
			}
		}), merkle.ErrUnverified},
		{"a leaf in another place", copying(func(m *objects.Copies) { m.Copies[0].At++ }), nil},
		{"another leaf", copying(func(m *objects.Copies) { m.Copies[0].Count--; m.Leaves = append(m.Leaves, merkle.Node{Size: 700}) }), merkle.ErrUnverified},
		{"a leaf of another size", copying(func(m *objects.Copies) {
			for i := range m.Leaves {
				m.Leaves[i].Size++
			}
		}), merkle.ErrUnverified},
		{"another node", copying(func(m *objects.Copies) {
			for i := range m.Nodes {
				m.Nodes[i].Hash[7] ^= 1
			}
			m.Copies[0].From++
		}), merkle.ErrUnverified},
		{"too many nodes", copying(func(m *objects.Copies) { m.Nodes = append(m.Nodes, merkle.Node{}) }), ErrPeer},
		{"an answer to nothing", copying(func(m *objects.Copies) { m.ID += 99 }), ErrPeer},
		{"copies that overlap", raw(objects.TypeCopies, func(ask objects.AskCopies) []byte {
			return objects.Copies{ID: ask.ID, Copies: []objects.Copy{{At: 0, Count: 9, From: 1}, {At: 8, Count: 9, From: 1}}}.Append(nil)
		}), objects.ErrMessage},
		{"no message", raw(objects.TypeCopies, func(objects.AskCopies) []byte { return []byte{1, 0xff} }), objects.ErrMessage},
		{"an answer of another kind", raw(objects.TypeLeaves, func(ask objects.AskCopies) []byte { return objects.Leaves{ID: ask.ID}.Append(nil) }), ErrPeer},
		{"silence", raw(99, func(objects.AskCopies) []byte { return nil }), ErrPeer},
		{"one answer twice", func(l *liar, g *giver, kind uint64, body []byte) error {
			answer := copying(func(*objects.Copies) {})
			if err := answer(l, g, kind, body); err != nil || kind != objects.TypeAskCopies {
				return err
			}
			return answer(l, g, kind, body)
		}, ErrPeer},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			core, into := versions(t, first, second, blocks(0, 299))
			_, other := versions(t, nil, nil)
			if _, err := read(t, other, core.key, blocks(0, 299), FetchOptions{}, core.serving(ServerOptions{})); err != nil {
				t.Fatal(err)
			}
			lying := func() *liar {
				return &liar{capable: true, knows: objects.KnowsCopies, onObjects: c.answer, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error { return l.honest(ch, r, nil) }}
			}
			options := FetchOptions{}
			if c.name == "silence" {
				options.Stall = 500 * time.Millisecond
			}
			claim := secondOf(first, second)
			got, err := read(t, into, core.key, claim, options, core.lying(lying()))
			if err == nil && !bytes.Equal(got, bytes.Join(second, nil)) || err == nil && c.want != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("alone: %d bytes, %v, want %v", len(got), err, c.want)
			}
			got, err = read(t, other, core.key, claim, options, core.lying(lying()), core.serving(ServerOptions{}))
			if err != nil || !bytes.Equal(got, bytes.Join(second, nil)) {
				t.Errorf("beside a good peer: %d bytes, %v", len(got), err)
			}
		})
	}
}

// Who does not say that it answers questions about copies is not asked any, nor is one who says that it answers others; both
// are asked for leaf hashes.
func TestCopiesAreAskedOfWhoKnowsThem(t *testing.T) {
	first := noise(1, 300)
	for name, knows := range map[string]uint64{"older": 0, "other": 1 << 19, "newer": objects.KnowsCopies | 1<<20} {
		core, into := versions(t, first, first, proof.Claim{})
		kinds := map[uint64]int{}
		l := &liar{capable: true, knows: knows, onObjects: func(l *liar, g *giver, kind uint64, body []byte) error {
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
	f.held, f.heldAt = []objects.Span{{First: 0, Count: held}}, length
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
	l := &liar{capable: true, knows: objects.KnowsCopies, onObjects: func(l *liar, g *giver, kind uint64, body []byte) error {
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

// givesOf is a giver of a core, for one who asks it directly.
func givesOf(t *testing.T, core *testCore) (*giver, *hypercore.Snapshot) {
	t.Helper()
	snapshot, err := hypercore.OpenSnapshot(t.Context(), core.store, core.key)
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(core.store, ServerOptions{})
	return &giver{conn: &serverConn{ctx: t.Context(), server: server}, core: &servedCore{key: core.key, users: 1}}, snapshot
}

// What makes no sense is refused, also what is held beyond the log, or under another fork.
func TestSenselessQuestionsAboutCopies(t *testing.T) {
	core, _ := versions(t, noise(1, 10), noise(1, 10))
	g, snapshot := givesOf(t, core)
	held := []objects.Span{{First: 0, Count: 10}}
	for name, c := range map[string]struct {
		ask  objects.AskCopies
		want error
	}{
		"sound":         {objects.AskCopies{AskLeaves: objects.AskLeaves{First: 10, Count: 10}, Held: held}, nil},
		"another fork":  {objects.AskCopies{AskLeaves: objects.AskLeaves{Fork: 1, First: 10, Count: 10}, Held: held}, merkle.ErrFork},
		"beyond":        {objects.AskCopies{AskLeaves: objects.AskLeaves{First: 10, Count: 11}, Held: held}, merkle.ErrInvalidRequest},
		"holds beyond":  {objects.AskCopies{AskLeaves: objects.AskLeaves{First: 10, Count: 10}, Held: []objects.Span{{First: 0, Count: 21}}}, merkle.ErrInvalidRequest},
		"a node beyond": {objects.AskCopies{AskLeaves: objects.AskLeaves{First: 10, Count: 10, Nodes: []uint64{63}}, Held: held}, merkle.ErrInvalidRequest},
	} {
		if _, err := g.copies(snapshot, c.ask); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Blocks whose leaf hashes begin alike are not taken for one another, and what the reader does not hold is no copy.
func TestCopiesAreCompared(t *testing.T) {
	first := noise(1, 100)
	core, _ := versions(t, first, first)
	g, snapshot := givesOf(t, core)
	index := g.conn.server.leafIndex(g.core, 0)
	leaf, err := snapshot.Node(t.Context(), 2*150)
	if err != nil {
		t.Fatal(err)
	}
	index.blocks[leafPrefix(leaf.Hash)] = 7 // which is block 50's
	index.pages[0] = 200
	ask := objects.AskCopies{AskLeaves: objects.AskLeaves{First: 150, Count: 1}, Held: []objects.Span{{First: 0, Count: 100}}}
	if answer, err := g.copies(snapshot, ask); err != nil || len(answer.Copies) != 0 || len(answer.Leaves) != 1 {
		t.Errorf("%+v, %v", answer, err)
	}
	index.blocks[leafPrefix(leaf.Hash)] = 50
	if answer, err := g.copies(snapshot, ask); err != nil || fmt.Sprint(answer.Copies) != "[{0 1 50}]" || len(answer.Leaves) != 0 {
		t.Errorf("%+v, %v", answer, err)
	}
	ask.Held = []objects.Span{{First: 0, Count: 50}, {First: 51, Count: 49}}
	if answer, err := g.copies(snapshot, ask); err != nil || len(answer.Copies) != 0 || len(answer.Leaves) != 1 {
		t.Errorf("%+v, %v", answer, err)
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
