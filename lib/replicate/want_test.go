package replicate

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/peer"
	"hc/lib/proof"
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
