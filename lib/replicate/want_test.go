package replicate

import (
	"bytes"
	"context"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/proof"
)

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
