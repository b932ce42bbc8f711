package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/store"
)

// part returns what a claim is about of some blocks, and whether all of it exists.
func part(blocks [][]byte, claim proof.Claim) (want []byte, whole bool) {
	whole = len(blocks) > 0
	if claim.At != nil {
		whole = whole && *claim.At <= uint64(len(blocks))
		blocks = blocks[:min(uint64(len(blocks)), *claim.At)]
	}
	all := bytes.Join(blocks, nil)
	switch claim.Kind {
	case proof.KindHead:
		return nil, whole
	case proof.KindBlocks:
		end := uint64(len(blocks))
		if claim.To != proof.Open {
			whole = whole && claim.To < end
			end = min(end, claim.To+1)
		}
		whole = whole && claim.From <= uint64(len(blocks)) // an open range may begin at the end
		return bytes.Join(blocks[min(claim.From, end):end], nil), whole
	case proof.KindBytes:
		end := uint64(len(all))
		if claim.To != proof.Open {
			whole = whole && claim.To < end
			end = min(end, claim.To+1)
		}
		whole = whole && claim.From <= uint64(len(all))
		return all[min(claim.From, end):end], whole
	}
	return all, whole
}

// Every claim, on small logs of every shape, comes from a peer as the part of the log that it names, with a store or
// without, from nothing or on top of what an earlier fetch left.
func TestClaims(t *testing.T) {
	noLeaks(t)
	random := rand.New(rand.NewPCG(7, 8))
	rounds := 24
	if testing.Short() {
		rounds = 12
	}
	for _, count := range []int{1, 2, 3, 5, 7, 8, 13} {
		core := newCore(t, count)
		connect := core.server(ServerOptions{})
		size := uint64(len(core.bytes()))
		for round := range rounds {
			claim := proof.Claim{Kind: []proof.Kind{proof.KindAll, proof.KindHead, proof.KindBlocks, proof.KindBytes, proof.KindBlocks, proof.KindBytes}[round%6]}
			limit := uint64(count)
			if claim.Kind == proof.KindBytes {
				limit = max(size, 1)
			}
			if claim.Kind == proof.KindBlocks || claim.Kind == proof.KindBytes {
				claim.From = random.Uint64N(limit + 1)
				claim.To = claim.From + random.Uint64N(limit)
				if random.IntN(3) == 0 {
					claim.To = proof.Open
				}
			}
			if random.IntN(2) == 0 {
				at := 1 + random.Uint64N(uint64(count)+1)
				claim.At = &at
			}
			var into *store.Store
			if round%2 == 0 {
				into = newStore(t)
			}
			for range 2 {
				want, whole := part(core.blocks, claim)
				got, err := read(t, into, core.key, claim, FetchOptions{}, connect())
				if whole && (err != nil || !bytes.Equal(got, want)) {
					t.Errorf("%d blocks, %d bytes, claim %q: %d bytes, %v, want %d", count, size, claim.String(), len(got), err, len(want))
				}
				if !whole && !errors.Is(err, proof.ErrPartial) {
					t.Errorf("%d blocks, %d bytes, claim %q: %d bytes, %v, want %v", count, size, claim.String(), len(got), err, proof.ErrPartial)
				}
			}
		}
	}
}

func TestEmptyCore(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 0)
	for _, claim := range []proof.Claim{{}, {Kind: proof.KindHead}, {Kind: proof.KindBlocks, From: 3, To: proof.Open}, {Kind: proof.KindBytes, To: 9}} {
		if _, err := read(t, newStore(t), core.key, claim, FetchOptions{}, core.serving(ServerOptions{})); !errors.Is(err, proof.ErrPartial) {
			t.Errorf("claim %q: %v, want %v", claim.String(), err, proof.ErrPartial)
		}
	}
}

// longer returns a core of another store with the same key, whose log goes on.
func (c *testCore) longer(more int) *testCore {
	c.t.Helper()
	secret, err := c.store.Secret(c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	other := &testCore{t: c.t, store: newStore(c.t), secret: &secret}
	other.blocks = append(other.blocks, c.blocks...)
	for i := range more {
		other.blocks = append(other.blocks, fmt.Appendf(nil, "more %d;", i))
	}
	other.append(other.blocks...)
	return other
}

// Peers whose logs are of different lengths are asked only for what they can prove, and none is lost.
func TestPeersOfDifferentLengths(t *testing.T) {
	noLeaks(t)
	for _, lengths := range [][2]int{{1, 2}, {3, 5}, {10, 20}, {100, 129}, {63, 64}} {
		short := newCore(t, lengths[0])
		long := short.longer(lengths[1] - lengths[0])
		options := FetchOptions{Dropped: func(name string, reason error) { t.Errorf("%v: lost %s: %v", lengths, name, reason) }}
		refused := ServerOptions{Dropped: func(_ string, reason error) { t.Errorf("%v: a server dropped us: %v", lengths, reason) }}
		once := &onceOnly{t: t}
		options.Trace = once.trace
		got, err := read(t, newStore(t), short.key, proof.Claim{}, options, short.serving(refused), long.serving(refused), short.serving(refused))
		if err != nil || !bytes.Equal(got, long.bytes()) {
			t.Errorf("%v: %d bytes, %v, want %d", lengths, len(got), err, len(long.bytes()))
		}
	}
}

// A store that has a part, of an older head, asks only for the rest; what it has is proved on.
func TestResume(t *testing.T) {
	noLeaks(t)
	core, into := newCore(t, 150), newStore(t)
	once := &onceOnly{t: t}
	for _, claim := range []proof.Claim{{Kind: proof.KindBlocks, From: 20, To: 70}, {Kind: proof.KindBlocks, From: 149, To: 149}} {
		if _, err := read(t, into, core.key, claim, FetchOptions{Trace: once.trace}, core.serving(ServerOptions{})); err != nil {
			t.Fatal(err)
		}
	}
	long := core.longer(90)
	var asked atomic.Int64
	count := ServerOptions{Trace: counting(&asked)}
	got, err := read(t, into, core.key, proof.Claim{}, FetchOptions{Trace: once.trace}, long.serving(count))
	if err != nil || !bytes.Equal(got, long.bytes()) || asked.Load() != 240-52 {
		t.Errorf("%d bytes, %v; %d blocks were asked for, want %d", len(got), err, asked.Load(), 240-52)
	}
	got, err = read(t, into, core.key, proof.Claim{}, FetchOptions{Trace: once.trace}, long.serving(count))
	if err != nil || !bytes.Equal(got, long.bytes()) || asked.Load() != 240-52 {
		t.Errorf("again: %d bytes, %v; %d blocks were asked for", len(got), err, asked.Load())
	}
}

// Where every peer lacks a block, what comes before it is written, and the stream says that it is partial.
func TestMissingBlock(t *testing.T) {
	noLeaks(t)
	core, sparse := newCore(t, 40), newStore(t)
	for _, claim := range []proof.Claim{{Kind: proof.KindBlocks, From: 0, To: 24}, {Kind: proof.KindBlocks, From: 26, To: 39}} {
		if _, err := read(t, sparse, core.key, claim, FetchOptions{}, core.serving(ServerOptions{})); err != nil {
			t.Fatal(err)
		}
	}
	half := &testCore{t: t, store: sparse, key: core.key}
	for _, into := range []*store.Store{nil, newStore(t)} {
		_, err := read(t, into, core.key, proof.Claim{}, FetchOptions{}, half.serving(ServerOptions{}))
		if !errors.Is(err, proof.ErrPartial) || errors.Is(err, ErrLost) {
			t.Errorf("all: %v, want %v", err, proof.ErrPartial)
		}
		claim := proof.Claim{Kind: proof.KindBlocks, From: 26, To: 30}
		got, err := read(t, into, core.key, claim, FetchOptions{}, half.serving(ServerOptions{}))
		if want, _ := part(core.blocks, claim); err != nil || !bytes.Equal(got, want) {
			t.Errorf("blocks behind it: %d bytes, %v", len(got), err)
		}
	}
	got, err := read(t, nil, core.key, proof.Claim{}, FetchOptions{}, half.serving(ServerOptions{}), core.serving(ServerOptions{}))
	if err != nil || !bytes.Equal(got, core.bytes()) {
		t.Errorf("with a second peer that has it: %d bytes, %v", len(got), err)
	}
}

// A second history under the key is an error that says so, and what is here stays.
func TestForkedPeer(t *testing.T) {
	noLeaks(t)
	core, into := newCore(t, 20), newStore(t)
	if _, err := read(t, into, core.key, proof.Claim{}, FetchOptions{}, core.serving(ServerOptions{})); err != nil {
		t.Fatal(err)
	}
	secret, err := core.store.Secret(core.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []int{20, 30} {
		other := &testCore{t: t, store: newStore(t), secret: &secret}
		for range length {
			other.blocks = append(other.blocks, []byte("another history"))
		}
		other.append(other.blocks...)
		_, err = read(t, into, core.key, proof.Claim{}, FetchOptions{}, other.serving(ServerOptions{}))
		if length == 20 {
			continue // of one length: nothing is asked of it, all is here
		}
		if !errors.Is(err, hypercore.ErrForked) {
			t.Errorf("%d blocks of another history: %v, want %v", length, err, hypercore.ErrForked)
		}
	}
	if seen, err := into.SeenHeads(t.Context(), core.key); err != nil || len(seen) != 1 {
		t.Errorf("seen %+v, %v", seen, err)
	}
	source, err := hypercore.OpenSource(t.Context(), into, core.key, hypercore.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	if err := write(t.Context(), &stream, source, keys.Ref{Key: core.key}, PipeOptions{}); err != nil {
		t.Errorf("what was here: %v", err)
	}
}

func TestNobodyIsReached(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 1)
	for _, count := range []int{1, 3} {
		var peers []Dialer
		for i := range count {
			peers = append(peers, unreachable(fmt.Sprintf("peer %d", i)))
		}
		err := WriteProof(t.Context(), &bytes.Buffer{}, keys.Ref{Key: core.key}, PipeOptions{Peers: peers})
		if !errors.Is(err, peer.ErrUnreachable) || strings.Count(fmt.Sprint(err), "no peer there") != count {
			t.Errorf("%d peers: %v", count, err)
		}
	}
	// One that is slow to fail does not hold up one that is there.
	slow := Dialer{Name: "slow", Dial: hang}
	var stream, out bytes.Buffer
	err := WriteProof(t.Context(), &stream, keys.Ref{Key: core.key}, PipeOptions{Peers: []Dialer{slow, over("good", core.serving(ServerOptions{}))}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proof.Verify(context.Background(), &stream, proof.Options{Key: &core.key, Out: &out}, nil); err != nil || !bytes.Equal(out.Bytes(), core.bytes()) {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
}
