package replicate

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
)

// A reader in no order of a log that has the same blocks again asks for none of them, however many there are: what is known to be here is
// taken from here before more leaf hashes are asked for.
func TestWantsThatAreHere(t *testing.T) {
	first := noise(7, 2*mostHashed)
	core, into := versions(t, first, first, proof.Claim{})
	if _, err := read(t, into, core.key, proof.Claim{Kind: proof.KindHead}, FetchOptions{}, core.serving(ServerOptions{})); err != nil {
		t.Fatal(err)
	}
	d, err := hypercore.NewDownload(t.Context(), core.key, hypercore.DownloadOptions{Store: into, Scattered: true})
	if err != nil {
		t.Fatal(err)
	}
	end := uint64(2 * len(first))
	d.WantSoon(hypercore.BlockRange{First: uint64(len(first)), End: end})
	var wire atomic.Int64
	conn := core.serving(ServerOptions{})
	dial := func(context.Context) (peer.Conn, error) { return metered{conn, &wire}, nil }
	background(t, func(ctx context.Context) {
		_ = Fetch(ctx, d, []Dialer{{Name: "server", Dial: dial}}, FetchOptions{Live: true, Claim: proof.Claim{Kind: proof.KindHead}}) // ends with the test
	})
	for block := uint64(len(first)); block < end; block++ {
		data, err := d.Block(t.Context(), block)
		if err != nil {
			t.Fatalf("block %d: %v", block, err)
		}
		if !bytes.Equal(data, core.blocks[block]) {
			t.Fatalf("block %d is another", block)
		}
	}
	if wire := wire.Load(); wire > 10_000 {
		t.Errorf("%d bytes on the wire for blocks that were here", wire)
	}
}

// A reader in no order may come to a block after one that stands behind it. Where the leaf hashes of both are known already,
// they are not asked for in one question, whose blocks ascend.
func TestWantsThatDescend(t *testing.T) {
	core := bulky(t)
	into := onceFilled(t, core).store // so that leaf hashes are asked for first
	d, err := hypercore.NewDownload(t.Context(), core.key, hypercore.DownloadOptions{Store: into, Scattered: true})
	if err != nil {
		t.Fatal(err)
	}
	wanted := []hypercore.BlockRange{{First: 228, End: 300}, {First: 150, End: 226}}
	d.Want(wanted...)
	conn := core.serving(ServerOptions{})
	background(t, func(ctx context.Context) {
		_ = Fetch(ctx, d, []Dialer{over("server", conn)}, FetchOptions{
			Window: 64 << 10, Live: true, Claim: proof.Claim{Kind: proof.KindHead},
			Dropped: func(_ string, reason error) { t.Errorf("lost a peer: %v", reason) },
		}) // ends with the test
	})
	for _, r := range wanted {
		for block := r.First; block < r.End; block++ {
			data, err := d.Block(t.Context(), block)
			if err != nil {
				t.Fatalf("block %d: %v", block, err)
			}
			if !bytes.Equal(data, core.blocks[block]) {
				t.Fatalf("block %d is another", block)
			}
		}
	}
}

// A peer that refuses ever more of what it never announced is asked for the rest no longer, but for what a reader stands before, and what it
// announces.
func TestRefusalsWithoutEnd(t *testing.T) {
	const count = maxRefused + 10_000
	core := &testCore{t: t, store: newStore(t), blocks: slices.Repeat([][]byte{[]byte("x")}, count)}
	core.append(core.blocks...)
	has := map[uint64]bool{0: true, 1: true, count - 2: true, count - 1: true}
	var requests atomic.Int64
	conn := core.lying(&liar{
		capable: true,
		onOpen: func(_ *liar, ch *protomux.Channel) error {
			for _, r := range []messages.Range{{Length: 2}, {Start: count - 2, Length: 1}} {
				if err := ch.Send(messages.TypeRange, r.Append(nil)); err != nil {
					return err
				}
			}
			return nil
		},
		onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error {
			requests.Add(1)
			if r.Block != nil && !has[r.Block.Index] {
				return ch.Send(messages.TypeNoData, messages.NoData{Request: r.ID}.Append(nil))
			}
			return l.honest(ch, r, nil)
		},
	})
	d, err := hypercore.NewDownload(t.Context(), core.key, hypercore.DownloadOptions{Store: newStore(t), Scattered: true})
	if err != nil {
		t.Fatal(err)
	}
	background(t, func(ctx context.Context) {
		_ = Fetch(ctx, d, []Dialer{over("peer", conn)}, FetchOptions{Claim: proof.Claim{Kind: proof.KindHead}}) // ends with the test
	})
	d.Want(hypercore.BlockRange{End: merkle.MaxLength})
	if err := d.AwaitWants(t.Context()); err != nil {
		t.Fatal(err)
	}
	if missing, err := d.Missing(t.Context(), hypercore.BlockRange{End: count}); err != nil || missing != count-3 {
		t.Errorf("%d blocks are missing, %v, want all but the three that were announced", missing, err)
	}
	if asked := requests.Load(); asked > maxRefused+4*goodAnswer {
		t.Errorf("asked %d times", asked)
	}
	if _, err := d.Block(t.Context(), count-1); err != nil {
		t.Errorf("what it has and did not announce: %v", err)
	}
}
