package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/codec"
	"hc/lib/store/packlog/memfs"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

// encodeFrame compresses as another program might, not as this package would.
func encodeFrame(t testing.TB, raw []byte, options ...zstd.EOption) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil, append([]zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return e.EncodeAll(raw, nil)
}

// frameBlocks returns 25 different blocks of text, 100,000 bytes together.
func frameBlocks() (blocks [][]byte) {
	for i := range 25 {
		block := bytes.Repeat(fmt.Appendf(nil, "block %d, ", i), 500)[:4000]
		blocks = append(blocks, block)
	}
	return blocks
}

// putFrame stores a log whose blocks come in one frame, in a store on a disk of its own, and returns how they are
// stored.
func putFrame(t *testing.T, blocks [][]byte, short bool, frame []byte) (*checkWorld, Extent, StoredRun) {
	t.Helper()
	return putWith(t, blocks, short, func(tx *Tx, leaves []hash.Digest) error {
		return tx.PutFrame(t.Context(), 0, leaves, blocks, frame)
	})
}

// putWith is putFrame for blocks that are put in another way.
func putWith(t *testing.T, blocks [][]byte, short bool, put func(tx *Tx, leaves []hash.Digest) error) (*checkWorld, Extent, StoredRun) {
	t.Helper()
	w := &checkWorld{machine: memfs.New(1), logs: []*signed{newSigned(t, 1)}, held: make([]map[uint64]bool, 1)}
	s := w.open(t, Options{Create: true})
	defer s.Close()
	head := w.logs[0].grow(t, blocks...)
	tx, err := s.Begin(t.Context(), w.logs[0].key(), TxOptions{Manifest: w.logs[0].auth.Manifest(), Short: short})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Abort()
	leaves := make([]hash.Digest, len(blocks))
	hash.Leaves(leaves, blocks)
	if err := put(tx, leaves); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context(), func() (Head, error) { return head, nil }); err != nil {
		t.Fatal(err)
	}
	if err := w.readable(t); err != nil {
		t.Fatal(err)
	}
	if found, _ := w.check(t); len(found) > 0 {
		t.Fatalf("the store is damaged: %+v", found)
	}
	v, err := s.View(t.Context(), w.logs[0].key(), false)
	if err != nil {
		t.Fatal(err)
	}
	e, err := v.Extent(t.Context(), 0, v.Head().Length)
	if err != nil {
		t.Fatal(err)
	}
	run, _, err := v.Payload(t.Context(), e, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w, e, run
}

func TestPutFrame(t *testing.T) {
	blocks := frameBlocks()
	raw := bytes.Join(blocks, nil)
	large := bytes.Repeat([]byte("one block larger than a run of many may be. "), 20_000)
	var lines [][]byte
	for i := range 4000 {
		lines = append(lines, fmt.Appendf(nil, "line number %d\n", i))
	}
	unended := append(slices.Clone(lines), []byte("the last one does not end"))
	for name, c := range map[string]struct {
		blocks [][]byte
		short  bool
		frame  []byte
	}{
		"blocks":          {blocks, false, encodeFrame(t, raw)},
		"with a checksum": {blocks, false, encodeFrame(t, raw, zstd.WithEncoderCRC(true))},
		"short":           {blocks, true, encodeFrame(t, raw)},
		"lines":           {lines, true, encodeFrame(t, bytes.Join(lines, nil))},
		"lines, unended":  {unended, true, encodeFrame(t, bytes.Join(unended, nil))},
		"one large block": {[][]byte{large}, false, encodeFrame(t, large)},
	} {
		t.Run(name, func(t *testing.T) {
			_, e, run := putFrame(t, c.blocks, c.short, c.frame)
			if e.Bytes != len(bytes.Join(c.blocks, nil)) || !run.Zstd || !bytes.Equal(run.Payload, c.frame) {
				t.Errorf("the run of %d bytes, stored in %d, is not the frame of %d that came", e.Bytes, len(run.Payload), len(c.frame))
			}
			if wantLines := bytes.HasSuffix(c.blocks[0], []byte("\n")); run.Lines != wantLines {
				t.Errorf("lines %v, want %v", run.Lines, wantLines)
			}
		})
	}
}

// A frame that a run must not have, or that would be a bad one, is not stored, whether it decodes to the blocks or not.
func TestPutFrameRefuses(t *testing.T) {
	blocks := frameBlocks()
	raw := bytes.Join(blocks, nil)
	good := encodeFrame(t, raw)
	half := len(raw) / 2
	skippable := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 0x184d2a50), 4)
	few := blocks[:2]
	ending := append(frameBlocks()[1:], bytes.Repeat([]byte("x"), 4000))
	large := slices.Concat(blocks, blocks, blocks)
	for i := range large {
		large[i] = fmt.Appendf(slices.Clone(large[i]), "%d", i)
	}
	for name, c := range map[string]struct {
		blocks [][]byte
		frame  []byte
		broken bool // does not decode to the blocks
	}{
		"two frames":               {blocks, append(encodeFrame(t, raw[:half]), encodeFrame(t, raw[half:])...), false},
		"an empty frame behind":    {blocks, append(bytes.Clone(good), encodeFrame(t, nil, zstd.WithZeroFrames(true))...), false},
		"a skippable frame":        {blocks, append(bytes.Clone(good), append(skippable, "abcd"...)...), false},
		"a skippable frame before": {blocks, disguised(good), false},
		"bytes behind":             {blocks, append(bytes.Clone(good), 0), true},
		"cut off":                  {blocks, good[:len(good)-1], true},
		"another content size":     {blocks, encodeFrame(t, raw[1:], zstd.WithSingleSegment(true)), true},
		"a window of 16 MiB":       {blocks, windowed(t, raw, 24), true},
		"a dictionary":             {blocks, named(t, raw), true},
		"raw in a frame":           {blocks, stored(raw, 1), false},
		"hardly smaller":           {ending, stored(bytes.Join(ending, nil), len(raw)/40), false},
		"no frame":                 {blocks, []byte("nothing like one"), true},
		"empty":                    {blocks, nil, true},
		"few bytes":                {few, encodeFrame(t, bytes.Join(few, nil)), false},
		"more than a run has":      {large, encodeFrame(t, bytes.Join(large, nil)), false},
	} {
		t.Run(name, func(t *testing.T) {
			raw := bytes.Join(c.blocks, nil)
			got, err := codec.Decompress(nil, &records.Run{Codec: records.CodecZstd, Raw: len(raw)}, c.frame, nil)
			if broken := err != nil || !bytes.Equal(got, raw); broken != c.broken {
				t.Fatalf("it decodes: %v, %v", !broken, err)
			}
			_, e, run := putFrame(t, c.blocks, false, c.frame)
			if bytes.Equal(run.Payload, c.frame) || !run.Zstd || e.Bytes > runs.MostBytes {
				t.Errorf("it is stored as it came: %d bytes", len(run.Payload))
			}
		})
	}
}

// windowed returns a frame of raw that says that it needs a window of 2^log bytes.
func windowed(t *testing.T, raw []byte, log byte) []byte {
	t.Helper()
	frame := withWindow(t, raw)
	frame[5] = (log - 10) << 3
	return frame
}

// withWindow returns a frame of raw with a window descriptor, its sixth byte.
func withWindow(t *testing.T, raw []byte) []byte {
	t.Helper()
	frame := encodeFrame(t, raw, zstd.WithSingleSegment(false), zstd.WithWindowSize(1<<20))
	var h zstd.Header
	if err := h.Decode(frame); err != nil || h.SingleSegment {
		t.Fatalf("%+v, %v", h, err)
	}
	return frame
}

// named returns a frame of raw that names a dictionary.
func named(t *testing.T, raw []byte) []byte {
	t.Helper()
	good := withWindow(t, raw)
	frame := slices.Clone(good[:6]) // magic, descriptor, window
	frame[4] |= 1                   // a byte of dictionary id
	return append(append(frame, 7), good[6:]...)
}

// disguised returns a frame after a skippable one, which looks like the head of a block that is all the rest.
func disguised(good []byte) []byte {
	word := len(good)<<3 | 1
	frame := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 0x184d2a50), 3)
	return append(append(frame, byte(word), byte(word>>8), byte(word>>16)), good...)
}

// stored returns a frame of raw in which only the last bytes, which are equal, are compressed, to one.
func stored(raw []byte, last int) []byte {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, (20 - 10) << 3}
	block := func(kind, size int, isLast bool, data []byte) {
		word := size<<3 | kind<<1
		if isLast {
			word |= 1
		}
		frame = append(append(frame, byte(word), byte(word>>8), byte(word>>16)), data...)
	}
	for rest := raw[:len(raw)-last]; len(rest) > 0; {
		n := min(len(rest), 100_000)
		block(0, n, false, rest[:n])
		rest = rest[n:]
	}
	block(1, last, true, raw[len(raw)-1:])
	return frame
}

// If the store has a block of a frame, or it came before, the others are stored by themselves: nothing is stored twice.
func TestPutFrameKnown(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	blocks := frameBlocks()
	appendBlocks(t, s, newModel(1), blocks[7:8])
	m := newModel(2)
	m.grow(true, blocks...)
	tx, err := s.Begin(t.Context(), m.key, TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Abort()
	leaves := make([]hash.Digest, len(blocks))
	hash.Leaves(leaves, blocks)
	frame := encodeFrame(t, bytes.Join(blocks, nil))
	if err := tx.PutFrame(t.Context(), 0, leaves, blocks, frame); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context(), func() (Head, error) { return m.sign(0), nil }); err != nil {
		t.Fatal(err)
	}
	v := m.view(t, s)
	m.check(t, v)
	e, err := v.Extent(t.Context(), 0, merkle.MaxLength)
	if err != nil || e.Count != 7 || e.Bytes >= 100_000 {
		t.Errorf("%+v, %v: want the 7 blocks before the one that was here", e, err)
	}
}

// The frame remains the caller's: a commit that fails is tried again with it.
func TestPutFrameKeepsFrame(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	block := append(noise(1, 300_000), make([]byte, 300_000)...) // whose frame is as large as the buffers that are reused
	frame := bytes.Clone(encodeFrame(t, block))                  // no longer than it is
	want := bytes.Clone(frame)
	m := newModel(1)
	m.grow(true, block)
	tx, err := s.Begin(t.Context(), m.key, TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Abort()
	if err := tx.PutFrame(t.Context(), 0, []hash.Digest{hash.Leaf(block)}, [][]byte{block}, frame); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context(), func() (Head, error) { return m.sign(0), nil }); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		appendBlocks(t, s, newModel(byte(10+i)), [][]byte{noise(byte(10+i), 200_000)})
	}
	if !bytes.Equal(frame, want) {
		t.Error("the frame was written over")
	}
}
