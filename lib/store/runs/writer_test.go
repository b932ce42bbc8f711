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

// A run of lent blocks that cannot be compressed is written from where they are.
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

// A run that is stored as it came is written from where it is, so nothing else of it is held.
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

// randomInRow returns two blocks of random bytes, and the memory in which they follow one another.
func randomInRow() (blocks [][]byte, all []byte) {
	const first = 100 << 10
	all = make([]byte, first+50<<10)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(all) // never fails
	return [][]byte{all[:first:first], all[first:]}, all
}
