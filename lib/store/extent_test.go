package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"hc/lib/hash"
	"hc/lib/store/codec"
	"hc/lib/store/records"
)

// noise is a block that cannot be compressed.
func noise(seed byte, size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

// The extents of a core tile it. A whole one is its run as stored, and the blocks in that are the core's.
func TestExtents(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	var blocks [][]byte
	for i := range 40 {
		blocks = append(blocks, bytes.Repeat(fmt.Appendf(nil, "%d ", i), 8000))
	}
	for i := range 10 {
		blocks = append(blocks, noise(byte(i), 70_000))
	}
	first, second := newModel(1), newModel(2)
	appendBlocks(t, s, first, blocks)
	appendBlocks(t, s, second, slices.Concat([][]byte{[]byte("its own")}, blocks[3:30], blocks[35:]))
	for _, core := range []struct {
		of     *modelCore
		blocks [][]byte
	}{{first, first.blocks}, {second, second.blocks}} {
		v, err := s.View(t.Context(), core.of.key, false)
		if err != nil {
			t.Fatal(err)
		}
		whole := 0
		for at := uint64(0); at < v.Head().Length; {
			e, err := v.Extent(t.Context(), at, v.Head().Length)
			if err != nil || e.Count == 0 || at+e.Count > v.Head().Length {
				t.Fatalf("block %d: %+v, %v", at, e, err)
			}
			if noisy := len(core.blocks[at]) == 70_000; e.Raw != noisy && len(core.blocks[at]) > 100 {
				t.Errorf("block %d: raw %v", at, e.Raw)
			}
			if cut, err := v.Extent(t.Context(), at, at+1); err != nil || cut.Count != 1 || cut.Whole && e.Count > 1 {
				t.Errorf("block %d alone: %+v, %v", at, cut, err)
			}
			if e.Whole {
				whole++
				checkPayload(t, v, e, core.blocks[at:at+e.Count])
			}
			at += e.Count
		}
		if whole == 0 {
			t.Error("no run is whole")
		}
		if _, err := v.Extent(t.Context(), v.Head().Length, v.Head().Length+5); !errors.Is(err, ErrBlockMissing) {
			t.Errorf("behind the end: %v", err)
		}
	}
}

func checkPayload(t *testing.T, v *View, e Extent, blocks [][]byte) {
	t.Helper()
	run, _, err := v.Payload(t.Context(), e, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Join(blocks, nil)
	got := run.Payload
	if run.Zstd {
		m := &records.Run{Codec: records.CodecZstd, Raw: run.Raw}
		if got, err = codec.Decompress(nil, m, run.Payload, nil); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, want) || run.Raw != len(want) || len(run.Lengths) != len(blocks) || e.Bytes != run.Raw {
		t.Errorf("a run of %d blocks with %d bytes, want %d with %d", len(run.Lengths), len(got), len(blocks), len(want))
	}
}

// A block is found by its leaf hash, whatever core it came with; one that was never stored is not.
func TestObject(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	if empty, err := s.Empty(t.Context()); err != nil || !empty {
		t.Errorf("a new store: empty %v, %v", empty, err)
	}
	blocks := [][]byte{noise(1, 5000), noise(2, 600_000), {}}
	appendBlocks(t, s, newModel(1), blocks)
	for _, block := range blocks {
		if got, err := s.Object(t.Context(), hash.Leaf(block)); err != nil || !bytes.Equal(got, block) {
			t.Errorf("%d bytes: got %d, %v", len(block), len(got), err)
		}
	}
	if _, err := s.Object(t.Context(), hash.Leaf([]byte("nowhere"))); !errors.Is(err, ErrBlockMissing) {
		t.Errorf("a block that is nowhere: %v", err)
	}
	if empty, err := s.Empty(t.Context()); err != nil || empty {
		t.Errorf("with a core: empty %v, %v", empty, err)
	}
}

func appendBlocks(t *testing.T, s *Store, m *modelCore, blocks [][]byte) {
	t.Helper()
	if err := m.append(t.Context(), s, TxOptions{}, blocks...); err != nil {
		t.Fatal(err)
	}
}

// A run with a base cannot be passed on as it is stored.
func TestExtentOfDelta(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	base := noise(1, 5000)
	appendBlocks(t, s, newModel(1), [][]byte{base})
	delta := newModel(2)
	if err := appendDelta(t.Context(), s, delta, base, append(bytes.Clone(base), 'x')); err != nil {
		t.Fatal(err)
	}
	if e, err := delta.view(t, s).Extent(t.Context(), 0, 1); err != nil || e.Whole || e.Raw || e.Count != 1 {
		t.Errorf("%+v, %v", e, err)
	}
}
