package objects

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"hc/lib/lent"
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
