package objects

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	"hc/lib/lent"
	"hc/lib/zstdframe"
)

// Blocks of some size lie in the message's memory, or are decompressed into lent memory, and each has a hold of that; small ones,
// and all where a pool is full, have memory of their own.
func TestUnpackIntoLentMemory(t *testing.T) {
	noise := make([]byte, 60<<10)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	text := bytes.Repeat([]byte("a line of text\n"), 4000)
	m := Blocks{ID: 1, Pieces: []Piece{
		packed([][]byte{noise[:30<<10], noise[30<<10:]}, false),
		packed([][]byte{text[:30000], text[30000:]}, true),
		packed([][]byte{noise[:10], noise[10:30]}, false),
	}}
	raw := body(t, m)
	for name, c := range map[string]struct {
		limit int
		lent  []bool
	}{
		"room": {1 << 20, []bool{true, true, true, true, false, false}},
		"full": {1, []bool{true, true, false, false, false, false}},
	} {
		pool := lent.NewPool(c.limit)
		own := pool.Take(len(raw))
		got, err := DecodeBlocks(own.Bytes()[:copy(own.Bytes(), raw)])
		if err != nil {
			t.Fatal(err)
		}
		blocks, memory, err := Unpacker{Own: own, Pool: pool}.Unpack(got)
		if err != nil {
			t.Fatal(err)
		}
		want := [][]byte{noise[:30<<10], noise[30<<10:], text[:30000], text[30000:], noise[:10], noise[10:30]}
		own.Release()
		for i, block := range blocks {
			if !bytes.Equal(block, want[i]) {
				t.Errorf("%s: block %d differs", name, i)
			}
			if (memory[i] != nil) != c.lent[i] || c.lent[i] && i < 2 && memory[i] != own {
				t.Errorf("%s: block %d: in lent memory: %v", name, i, memory[i] != nil)
			}
			memory[i].Release()
		}
		if c.limit == 1 && pool.Full() {
			t.Errorf("%s: something is held yet", name)
		}
	}
}

// What cannot be unpacked holds nothing.
func TestUnpackingNothing(t *testing.T) {
	noise := make([]byte, 60<<10)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(noise)
	bad := packed([][]byte{bytes.Repeat([]byte("x"), 40<<10)}, true)
	bad.Payload = bytes.Repeat([]byte("no frame"), 10)
	for name, last := range map[string]Piece{"a broken frame": bad, "a delta": {Delta: true, Count: 1, Raw: 10, Payload: []byte("x")}} {
		pool := lent.NewPool(1)
		own := pool.Take(1)
		m := Blocks{Pieces: []Piece{packed([][]byte{noise}, false), last}}
		if _, _, err := (Unpacker{Own: own, Pool: pool}).Unpack(m); err == nil {
			t.Errorf("%s was unpacked", name)
		}
		own.Release()
		if pool.Full() {
			t.Errorf("%s: something is held yet", name)
		}
	}
}

// A frame that decodes to more or less than its piece says is refused, also where there would be room for it, and nothing is held then.
func TestFramesOfOtherLengths(t *testing.T) {
	text := bytes.Repeat([]byte("10.0.0.1 - - \"GET / HTTP/1.1\" 200\n"), 20_000)
	for _, said := range []int{100, 50_000, zstdframe.Piece, zstdframe.Piece + 1, 300_000, mostLent, mostLent + 1} {
		for _, more := range []int{-1, 0, 1, zstdframe.Slack, zstdframe.Slack + 1, zstdframe.Piece + zstdframe.Slack} {
			piece := packed([][]byte{text[:said+more]}, true)
			if !piece.Zstd {
				t.Fatalf("%d bytes are not compressed", said+more)
			}
			piece.Raw, piece.Lengths = said, []uint32{uint32(said)}
			pool := lent.NewPool(1)
			blocks, memory, err := Unpacker{Pool: pool}.Unpack(Blocks{Pieces: []Piece{piece}})
			switch {
			case more != 0 && !errors.Is(err, ErrMessage):
				t.Errorf("%d bytes in place of %d: error %v, want ErrMessage", said+more, said, err)
			case more == 0 && (err != nil || !bytes.Equal(bytes.Join(blocks, nil), text[:said])):
				t.Errorf("%d bytes do not come out: %v", said, err)
			}
			release(memory)
			if pool.Full() {
				t.Errorf("%d bytes in place of %d: something is held yet", said+more, said)
			}
		}
	}
}

// Payloads that belong to the caller are copied, unless they are copies already.
func TestUnpackCopies(t *testing.T) {
	for _, copied := range []bool{false, true} {
		piece := packed([][]byte{[]byte("some "), []byte("blocks")}, false)
		payload := piece.Payload
		blocks, memory, err := Unpacker{Copied: copied}.Unpack(Blocks{Pieces: []Piece{piece}})
		if err != nil || len(blocks) != 2 || memory[0] != nil {
			t.Fatalf("copied %v: %q, %v", copied, blocks, err)
		}
		if there := &blocks[0][0] == &payload[0]; there != copied {
			t.Errorf("copied %v: the blocks are in the payload: %v", copied, there)
		}
	}
}

// packed is the piece of some blocks.
func packed(blocks [][]byte, try bool) Piece {
	piece, _ := Pack(nil, blocks, try)
	return piece
}

// A message may end with some zeros.
func TestZerosBehindBlocks(t *testing.T) {
	want := Blocks{ID: 1, Pieces: []Piece{{Count: 1, Raw: 9, Lengths: []uint32{9}, Payload: []byte("123456780")}}}
	for zeros := range 8 {
		got, err := DecodeBlocks(append(body(t, want), make([]byte, zeros)...))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d zeros: %+v, %v", zeros, got, err)
		}
	}
}
