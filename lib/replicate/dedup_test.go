package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"

	"hc/lib/chunk"
	"hc/lib/hash"
	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/store"
)

// words is text that compresses about as text does.
func words(size int) []byte {
	random := rand.New(rand.NewPCG(7, uint64(size)))
	list := make([][]byte, 4000)
	for i := range list {
		for range 2 + random.IntN(9) {
			list[i] = append(list[i], byte('a'+random.IntN(26)))
		}
		list[i] = append(list[i], ' ')
	}
	var b bytes.Buffer
	for b.Len() < size {
		b.Write(list[random.IntN(len(list))])
	}
	return b.Bytes()[:size]
}

// chunks cuts where the content says so.
func chunks(t testing.TB, data []byte) (all [][]byte) {
	t.Helper()
	cutter, err := chunk.NewRabin(chunk.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	c := chunk.New(bytes.NewReader(data), cutter, 1<<20)
	for {
		next, err := c.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bytes.Clone(next))
	}
}

// metered counts what goes over a connection, both ways.
type metered struct {
	peer.Conn
	bytes *atomic.Int64
}

func (m metered) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	m.bytes.Add(int64(n))
	return n, err
}

func (m metered) Write(p []byte) (int, error) {
	n, err := m.Conn.Write(p)
	m.bytes.Add(int64(n))
	return n, err
}

// fetchMetered takes all of a core into a store, and returns the bytes on the wire and those that were copied.
func fetchMetered(t *testing.T, from *testCore, key keys.Key, into *store.Store, options FetchOptions, conn *net.TCPConn) (wire, copied int64) {
	t.Helper()
	var bytes, here atomic.Int64
	options.Copied = func(_ uint64, size int) { here.Add(int64(size)) }
	err := WriteProof(t.Context(), io.Discard, keys.Ref{Key: key}, PipeOptions{
		Store: into, Fetch: options,
		Peers: []Dialer{{Name: "server", Dial: func(context.Context) (peer.Conn, error) { return metered{conn, &bytes}, nil }}},
	})
	if err != nil {
		t.Fatal(err)
	}
	source, err := hypercore.OpenSource(t.Context(), into, key, hypercore.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	head, _ := source.Head(t.Context())
	for block := range head.Length {
		if _, err := source.Block(t.Context(), block); err != nil {
			t.Fatalf("block %d of %d is not stored: %v", block, head.Length, err)
		}
	}
	return bytes.Load(), here.Load()
}

func compressed(t testing.TB, blocks [][]byte) int64 {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(e.EncodeAll(bytes.Join(blocks, nil), nil)))
}

// changed returns the blocks of now that before does not have.
func changed(before, now [][]byte) (fresh [][]byte) {
	have := map[hash.Digest]bool{}
	for _, block := range before {
		have[hash.Leaf(block)] = true
	}
	return slices.DeleteFunc(slices.Clone(now), func(block []byte) bool { return have[hash.Leaf(block)] })
}

// The second version of a file with 11 bytes inserted in its middle costs its changed chunks, compressed, and a leaf hash
// for each of the others.
func TestSecondVersionCostsItsDifference(t *testing.T) {
	first := words(lots(16 << 20))
	second := slices.Concat(first[:len(first)/2], []byte("hello there"), first[len(first)/2:])
	one, two := chunks(t, first), chunks(t, second)
	core := &testCore{t: t, store: newStore(t)}
	core.append(one...)
	into := newStore(t)
	wire, _ := fetchMetered(t, core, core.key, into, FetchOptions{}, core.serving(ServerOptions{}))
	stored := int64(0)
	for few := range slices.Chunk(one, 4) {
		stored += compressed(t, few)
	}
	t.Logf("first version: %d chunks, %d bytes compressed four by four, %d on the wire", len(one), stored, wire)
	if wire > stored*125/100 {
		t.Errorf("the first version took %d bytes on the wire, compressed it has %d", wire, stored)
	}
	core.append(two...)
	wire, copied := fetchMetered(t, core, core.key, into, FetchOptions{}, core.serving(ServerOptions{}))
	fresh := changed(one, two)
	limit := compressed(t, fresh)*115/100 + int64(len(two))*40 + 4096
	t.Logf("second version: %d of %d chunks changed, %d bytes compressed; %d on the wire, %d copied", len(fresh), len(two), compressed(t, fresh), wire, copied)
	if wire > limit || wire > int64(len(second))/100 {
		t.Errorf("the second version took %d bytes on the wire, more than %d", wire, limit)
	}

	other := &testCore{t: t, store: newStore(t)}
	other.append(two...)
	wire, copied = fetchMetered(t, other, other.key, into, FetchOptions{}, other.serving(ServerOptions{}))
	t.Logf("in another core: %d on the wire, %d copied", wire, copied)
	if wire > int64(len(two))*40+4096 || copied != int64(len(second)) {
		t.Errorf("the same bytes in another core took %d bytes on the wire, %d were copied", wire, copied)
	}
	wire, copied = fetchMetered(t, other, other.key, newStore(t), FetchOptions{}, other.serving(ServerOptions{}))
	if copied != 0 || wire < stored*9/10 {
		t.Errorf("into an empty store: %d on the wire, %d copied", wire, copied)
	}
}

// Where nothing is found the leaf hashes cost next to nothing.
func TestVainChecksCostLittle(t *testing.T) {
	random := rand.NewChaCha8([32]byte{3})
	unlike := func(count, size int) *testCore {
		core := &testCore{t: t, store: newStore(t)}
		for range count {
			block := make([]byte, size)
			_, _ = random.Read(block)
			core.blocks = append(core.blocks, block)
		}
		core.append(core.blocks...)
		return core
	}
	into := newStore(t)
	other := unlike(100, 1000)
	fetchMetered(t, other, other.key, into, FetchOptions{}, other.serving(ServerOptions{}))
	core := unlike(lots(8000), 1000)
	plain, _ := fetchMetered(t, core, core.key, newStore(t), FetchOptions{}, core.serving(ServerOptions{}))
	wire, copied := fetchMetered(t, core, core.key, into, FetchOptions{}, core.serving(ServerOptions{}))
	t.Logf("%d bytes on the wire into an empty store, %d into one that has something else", plain, wire)
	if copied != 0 || wire-plain > plain/100+firstCredit {
		t.Errorf("leaf hashes took %d of %d bytes", wire-plain, plain)
	}
	if plain > int64(len(core.bytes()))*101/100 {
		t.Errorf("%d bytes took %d on the wire", len(core.bytes()), plain)
	}
}

// Short lines travel many in a frame, without a number for each.
func TestLinesTravelTogether(t *testing.T) {
	core := &testCore{t: t, store: newStore(t)}
	for i := range lots(50_000) {
		core.blocks = append(core.blocks, fmt.Appendf(nil, "%d of many\n", i))
	}
	core.append(core.blocks...)
	wire, _ := fetchMetered(t, core, core.key, newStore(t), FetchOptions{}, core.serving(ServerOptions{}))
	t.Logf("%d bytes of %d lines took %d on the wire", len(core.bytes()), len(core.blocks), wire)
	if wire > int64(len(core.bytes())) {
		t.Errorf("%d bytes took %d on the wire", len(core.bytes()), wire)
	}
	got, err := read(t, nil, core.key, proof.Claim{}, FetchOptions{}, core.serving(ServerOptions{}))
	if err != nil || !bytes.Equal(got, core.bytes()) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// Every block that is not asked for is stored with what it takes to prove it to others, whether its neighbours are here or not.
func TestWhatWasCopiedCanBeProved(t *testing.T) {
	first := chunks(t, words(4<<20))
	into := newStore(t)
	core := &testCore{t: t, store: newStore(t)}
	core.append(first[:20]...)
	fetchMetered(t, core, core.key, into, FetchOptions{}, core.serving(ServerOptions{}))
	other := &testCore{t: t, store: newStore(t)}
	other.blocks = slices.Concat(first[30:], first[:10], first[15:])
	other.append(other.blocks...)
	claim := proof.Claim{Kind: proof.KindBlocks, From: 3, To: 60}
	if _, err := read(t, into, other.key, claim, FetchOptions{}, other.serving(ServerOptions{})); err != nil {
		t.Fatal(err)
	}
	snapshot, err := hypercore.OpenSnapshot(t.Context(), into, other.key)
	if err != nil {
		t.Fatal(err)
	}
	for block := claim.From; block <= claim.To; block++ {
		levels := merkle.NodesFor(2*block, uint64(len(other.blocks)), func(n uint64) bool {
			return slices.Contains(merkle.FullRoots(uint64(len(other.blocks))), n)
		})
		p, _, err := snapshot.Prove(t.Context(), merkle.Request{Block: &merkle.BlockRequest{Index: block, Nodes: levels}})
		if err != nil || !bytes.Equal(p.Block.Value, other.blocks[block]) {
			t.Fatalf("block %d: %v", block, err)
		}
	}
}

// A stock server is asked for leaf hashes one by one, and then for the blocks that are missing.
func TestSecondVersionFromStock(t *testing.T) {
	first := words(lots(8 << 20))
	second := slices.Concat(first[:len(first)/2], []byte("hello there"), first[len(first)/2:])
	one, two := chunks(t, first), chunks(t, second)
	older := &testCore{t: t, store: newStore(t)}
	older.append(one...)
	into := newStore(t)
	fetchMetered(t, older, older.key, into, FetchOptions{}, older.serving(ServerOptions{}))
	newer := &testCore{t: t, store: newStore(t)}
	newer.append(two...)
	stock := func() *net.TCPConn {
		return newer.lying(&liar{capable: true, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error { return l.honest(ch, r, nil) }})
	}
	wire, copied := fetchMetered(t, newer, newer.key, into, FetchOptions{}, stock())
	fresh := 0
	for _, block := range changed(one, two) {
		fresh += len(block)
	}
	t.Logf("%d bytes of %d chunks, %d bytes in chunks that changed: %d on the wire, %d copied", len(second), len(two), fresh, wire, copied)
	if wire > int64(fresh)*102/100+int64(len(two))*100+8192 || copied != int64(len(second)-fresh) {
		t.Errorf("%d bytes on the wire, %d copied of %d", wire, copied, len(second)-fresh)
	}
	plain, copied := fetchMetered(t, newer, newer.key, newStore(t), FetchOptions{}, stock())
	vain := newStore(t)
	other := newCore(t, 50)
	fetchMetered(t, other, other.key, vain, FetchOptions{}, other.serving(ServerOptions{}))
	wire, _ = fetchMetered(t, newer, newer.key, vain, FetchOptions{}, stock())
	t.Logf("with nothing in the store %d, with something else %d", plain, wire)
	if copied != 0 || wire-plain > plain/100+firstCredit {
		t.Errorf("vain checks took %d of %d bytes", wire-plain, plain)
	}
}

// A peer that gives blocks but no leaf hashes is asked for blocks.
func TestStockWithoutLeaves(t *testing.T) {
	core := bulky(t)
	got, err := read(t, onceFilled(t, core).store, core.key, proof.Claim{}, FetchOptions{}, core.lying(&liar{capable: true, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error {
		if r.Hash != nil {
			return refuse(ch, r)
		}
		return l.honest(ch, r, nil)
	}}))
	if err != nil || !bytes.Equal(got, core.bytes()) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// Where every other block is here, however many there are, the rest comes, from whichever peer.
func TestEveryOtherBlockIsHere(t *testing.T) {
	random := rand.NewChaCha8([32]byte{5})
	core, half := &testCore{t: t, store: newStore(t)}, &testCore{t: t, store: newStore(t)}
	for i := range 10_000 {
		block := make([]byte, 600)
		_, _ = random.Read(block)
		core.blocks = append(core.blocks, block)
		if i%2 == 0 {
			half.blocks = append(half.blocks, block)
		}
	}
	core.append(core.blocks...)
	half.append(half.blocks...)
	stock := core.lying(&liar{capable: true, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error { return l.honest(ch, r, nil) }})
	for name, conn := range map[string]*net.TCPConn{"hc": core.serving(ServerOptions{}), "stock": stock} {
		into := newStore(t)
		fetchMetered(t, half, half.key, into, FetchOptions{}, half.serving(ServerOptions{}))
		wire, copied := fetchMetered(t, core, core.key, into, FetchOptions{}, conn)
		t.Logf("%s: %d bytes on the wire, %d copied", name, wire, copied)
		if copied < int64(len(half.bytes()))*98/100 {
			t.Errorf("%s: %d copied of %d", name, copied, len(half.bytes()))
		}
	}
}

// A push brings a mirror only what it lacks, whatever log that is in.
func TestPushCostsItsDifference(t *testing.T) {
	first := words(lots(8 << 20))
	one := chunks(t, first)
	two := chunks(t, slices.Concat(first[:len(first)/2], []byte("hello there"), first[len(first)/2:]))
	core := &testCore{t: t, store: newStore(t)}
	core.append(one...)
	mirror := newMirror(t, ServerOptions{Accept: []keys.Key{core.key}})
	var wire atomic.Int64
	push := func() int64 {
		t.Helper()
		wire.Store(0)
		to := mirror.dial()
		dial := to.Dial
		to.Dial = func(ctx context.Context) (peer.Conn, error) {
			conn, err := dial(ctx)
			return metered{conn, &wire}, err
		}
		if err := core.push(to, nil); err != nil {
			t.Fatal(err)
		}
		return wire.Load()
	}
	whole := push()
	core.append(two...)
	second := push()
	t.Logf("%d bytes took %d on the wire, the second version %d", len(first), whole, second)
	if whole > int64(len(first))*2/3 || second > whole/20 {
		t.Errorf("%d bytes took %d on the wire, the second version %d", len(first), whole, second)
	}
}
