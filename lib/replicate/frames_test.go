package replicate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/objects"
	"hc/lib/proof"
	"hc/lib/store"
)

// wordy is a core of 100 blocks, none like another, each with zeros at its end.
func wordy(t *testing.T) *testCore {
	t.Helper()
	core := &testCore{t: t, store: newStore(t)}
	for i := range 100 {
		core.blocks = append(core.blocks, append(bytes.Repeat(fmt.Appendf(nil, "block %d. ", i), 500), make([]byte, 1200)...))
	}
	core.append(core.blocks...)
	return core
}

// storedRuns returns the payloads of the runs that a core's blocks are in.
func storedRuns(t *testing.T, in *store.Store, key keys.Key) (payloads [][]byte) {
	t.Helper()
	v, err := in.View(t.Context(), key, false)
	if err != nil {
		t.Fatal(err)
	}
	for at := uint64(0); at < v.Head().Length; {
		e, err := v.Extent(t.Context(), at, v.Head().Length)
		if err != nil {
			t.Fatal(err)
		}
		run, _, err := v.Payload(t.Context(), e, nil)
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, run.Payload)
		at += e.Count
	}
	return payloads
}

// wantSound stops where a check of the store finds anything.
func wantSound(t *testing.T, in *store.Store) {
	t.Helper()
	c, err := store.NewChecker(t.Context(), in.Dir(), store.CheckOptions{Found: func(f store.Finding) { t.Errorf("the store is damaged: %+v", f) }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// encode makes one frame in a way that is not ours.
func encode(t *testing.T, raw []byte) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true))
	if err != nil {
		t.Error(err)
		return nil
	}
	defer e.Close()
	return e.EncodeAll(raw, nil)
}

// What comes compressed from an hc peer is stored as it came, byte by byte, once it has verified; what no run may be, or should be,
// is compressed again, and what is no message is refused.
func TestFramesAreStoredAsTheyCame(t *testing.T) {
	half := func(raw []byte) []byte { return append(encode(t, raw[:len(raw)/2]), encode(t, raw[len(raw)/2:])...) }
	for _, c := range []struct {
		name   string
		change func(raw []byte) []byte // makes the payload of a piece
		asCame bool
		want   error
	}{
		{"one frame", func(raw []byte) []byte { return encode(t, raw) }, true, nil},
		{"two frames", half, false, nil},
		{"a byte behind it", func(raw []byte) []byte { return append(encode(t, raw), 0) }, false, objects.ErrMessage},
		{"one byte shorter", func(raw []byte) []byte { frame := encode(t, raw); return frame[:len(frame)-1] }, false, objects.ErrMessage},
		{"a window of 16 MiB", func(raw []byte) []byte { return stored(raw, 24, 4) }, false, objects.ErrMessage},
		{"hardly smaller", func(raw []byte) []byte { return stored(raw, 20, 1000) }, false, nil},
		{"larger", func(raw []byte) []byte { return stored(raw, 20, 1) }, false, objects.ErrMessage},
	} {
		for _, checked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s,checked=%v", c.name, checked), func(t *testing.T) {
				core := wordy(t)
				var mu sync.Mutex
				var sent [][]byte
				peer := &liar{capable: true, onObjects: answering(nil, func(m *objects.Blocks) {
					for i := range m.Pieces {
						p := &m.Pieces[i]
						blocks, err := objects.Blocks{Pieces: []objects.Piece{*p}}.Unpack()
						if err != nil {
							t.Error(err)
							return
						}
						p.Zstd, p.Payload = true, c.change(bytes.Join(blocks, nil))
						if store.FrameFits(p.Count, p.Raw, p.Raw/2) {
							mu.Lock()
							sent = append(sent, p.Payload)
							mu.Unlock()
						}
					}
				})}
				into := newStore(t)
				if checked {
					into = onceFilled(t, newCore(t, 100)).store
				}
				got, err := read(t, into, core.key, proof.Claim{}, FetchOptions{}, core.lying(peer))
				if !errors.Is(err, c.want) || err == nil && !bytes.Equal(got, core.bytes()) {
					t.Fatalf("%d bytes, %v, want %v", len(got), err, c.want)
				}
				wantSound(t, into)
				mu.Lock()
				defer mu.Unlock()
				if len(sent) == 0 {
					t.Fatal("no piece is large enough")
				}
				if c.want != nil {
					return
				}
				there := storedRuns(t, into, core.key)
				for i, payload := range sent {
					if found := slices.ContainsFunc(there, func(run []byte) bool { return bytes.Equal(run, payload) }); found != c.asCame {
						t.Errorf("piece %d of %d: stored as it came: %v, want %v", i, len(sent), found, c.asCame)
					}
				}
			})
		}
	}
}

// stored is raw as a frame with a window of 2^log bytes in which nothing but its last bytes, which are alike, are compressed.
func stored(raw []byte, log byte, last int) []byte {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3}
	block := func(kind, size, isLast int, data []byte) {
		word := size<<3 | kind<<1 | isLast
		frame = append(append(frame, byte(word), byte(word>>8), byte(word>>16)), data...)
	}
	for rest := raw[:len(raw)-last]; len(rest) > 0; {
		n := min(len(rest), 100_000)
		block(0, n, 0, rest[:n])
		rest = rest[n:]
	}
	block(1, last, 1, raw[len(raw)-1:])
	return frame
}

// Without a store frames are not held.
func TestFramesWithoutStore(t *testing.T) {
	core := wordy(t)
	d, err := hypercore.NewDownload(t.Context(), core.key, hypercore.DownloadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d.KeepFrames(hypercore.Frame{Count: 1, Bytes: make([]byte, 1000)})
	if memory, any := d.Unsaved(); memory != 0 || any || d.Stores() {
		t.Errorf("%d bytes, %v, are not saved", memory, any)
	}
	got, err := read(t, nil, core.key, proof.Claim{}, FetchOptions{}, core.serving(ServerOptions{}))
	if err != nil || !bytes.Equal(got, core.bytes()) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
