package runs

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"hc/lib/checksum"
	"hc/lib/hash"
	"hc/lib/store/codec"
	"hc/lib/store/records"
)

// A run of lent blocks that cannot be compressed is written from where they stand.
func TestLentRunIsNotCopied(t *testing.T) {
	blocks, _ := randomInRow()
	w := NewWriter(false, codec.Thorough, nil)
	for _, b := range blocks {
		if _, _, err := w.Lend(t.Context(), hash.Leaf(b), b, checksum.Of(b)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.end(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.batch) != 1 || len(w.batch[0].Pieces) != 2 || &w.batch[0].Pieces[0][0] != &blocks[0][0] || !w.batch[0].Sum.Known {
		t.Fatal("the run's blocks were copied, or its sum is not known")
	}
	if w.batch[0].Sum != checksum.Of(bytes.Join(blocks, nil)) {
		t.Error("the run has another sum than its bytes")
	}
}

// A run that came is written from where it stands, so nothing is held of it beside.
func TestPutRawLends(t *testing.T) {
	blocks, payload := randomInRow()
	w := NewWriter(false, codec.Thorough, nil)
	leaves := make([]hash.Digest, len(blocks))
	hash.Leaves(leaves, blocks)
	if _, err := w.AddTogether(t.Context(), leaves, blocks, payload, records.CodecRaw); err != nil {
		t.Fatal(err)
	}
	if len(w.batch) != 1 || &w.batch[0].Payload[0] != &payload[0] || len(w.spent) != 0 {
		t.Error("the payload was copied, or would be used again")
	}
}

// randomInRow are two blocks of random bytes, with the bytes where they stand one behind the other.
func randomInRow() (blocks [][]byte, all []byte) {
	const first = 100 << 10
	all = make([]byte, first+50<<10)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(all) // never fails
	return [][]byte{all[:first:first], all[first:]}, all
}
