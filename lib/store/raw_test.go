package store

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"hc/lib/hash"
	"hc/lib/store/packlog/memfs"
)

// blocksInRow returns blocks of random bytes of these lengths, and the memory in which they follow one another.
func blocksInRow(lengths ...int) (blocks [][]byte, all []byte) {
	total := 0
	for _, n := range lengths {
		total += n
	}
	random := rand.NewChaCha8([32]byte{1})
	all = make([]byte, total)
	_, _ = random.Read(all) // never fails
	at := 0
	for _, n := range lengths {
		blocks = append(blocks, all[at:at+n:at+n])
		at += n
	}
	return blocks, all
}

// Blocks that look compressible are stored as by Put: here spans, and so runs, have at most 16 blocks.
func TestPutRaw(t *testing.T) {
	text := frameBlocks()
	even, evenBytes := blocksInRow(100<<10, 50<<10)
	small, smallBytes := blocksInRow(1000, 2000)
	large, largeBytes := blocksInRow(1 << 20)
	many, manyBytes := blocksInRow(200<<10, 200<<10)
	for name, c := range map[string]struct {
		blocks  [][]byte
		payload []byte
		short   bool
		zstd    bool
		count   uint64 // blocks in the first run
	}{
		"random":               {even, evenBytes, false, false, 2},
		"one large block":      {large, largeBytes, false, false, 1},
		"text":                 {text, bytes.Join(text, nil), false, true, 16},
		"few bytes":            {small, smallBytes, false, false, 2},
		"more than a run has":  {many, manyBytes, false, false, 1},
		"blocks of short runs": {even, evenBytes, true, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			_, e, run := putWith(t, c.blocks, c.short, func(tx *Tx, leaves []hash.Digest) error {
				return tx.PutRaw(t.Context(), 0, leaves, c.blocks, c.payload)
			})
			if e.Count != c.count || !e.Whole || run.Zstd != c.zstd {
				t.Errorf("the first run has %d blocks, all of it %v, compressed %v; want %d, compressed %v", e.Count, e.Whole, run.Zstd, c.count, c.zstd)
			}
			if !run.Zstd && !bytes.Equal(run.Payload, c.payload[:len(run.Payload)]) {
				t.Error("the run is not the bytes that came")
			}
		})
	}
}

// Blocks that the store has are not stored again.
func TestPutRawKnown(t *testing.T) {
	blocks, payload := blocksInRow(100<<10, 50<<10)
	w := &checkWorld{machine: memfs.New(1), logs: []*signed{newSigned(t, 1)}, held: make([]map[uint64]bool, 1)}
	s := w.open(t, Options{Create: true})
	defer s.Close()
	twice := append(append([][]byte(nil), blocks...), blocks...)
	head := w.logs[0].grow(t, twice...)
	tx, err := s.Begin(t.Context(), w.logs[0].key(), TxOptions{Manifest: w.logs[0].auth.Manifest()})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Abort()
	leaves := make([]hash.Digest, len(blocks))
	hash.Leaves(leaves, blocks)
	for _, first := range []uint64{0, 2} {
		if err := tx.PutRaw(t.Context(), first, leaves, blocks, payload); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context(), func() (Head, error) { return head, nil }); err != nil {
		t.Fatal(err)
	}
	if tx.bytes > len(payload)+4096 {
		t.Errorf("%d bytes were written for %d that came twice", tx.bytes, len(payload))
	}
	if err := w.readable(t); err != nil {
		t.Fatal(err)
	}
}

// Data that stays where it is until the transaction has ended is not copied, unless it can be compressed.
func TestPutStaying(t *testing.T) {
	random, _ := blocksInRow(100<<10, 50<<10)
	for name, c := range map[string]struct {
		blocks [][]byte
		zstd   bool
	}{"random": {random, false}, "text": {frameBlocks(), true}} {
		_, e, run := putWith(t, c.blocks, false, func(tx *Tx, leaves []hash.Digest) error {
			for i, block := range c.blocks {
				there := bytes.Clone(block)
				if len(block) >= 4<<10 { // shorter ones are copied at once
					clear(block)
				}
				if err := tx.PutStaying(t.Context(), uint64(i), leaves[i], block); err != nil {
					return err
				}
				copy(block, there) // a copy made since would have other bytes
			}
			return nil
		})
		if run.Zstd != c.zstd || !c.zstd && !bytes.Equal(run.Payload, bytes.Join(c.blocks[:e.Count], nil)) {
			t.Errorf("%s: the first run, of %d blocks, is compressed: %v, or has other bytes", name, e.Count, run.Zstd)
		}
	}
}
