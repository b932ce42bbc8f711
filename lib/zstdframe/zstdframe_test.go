package zstdframe

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/zstd"
)

var text = bytes.Repeat([]byte("10.0.0.1 - - [1764000000] \"GET / HTTP/1.1\" 200\n"), 12_000)

// A frame that decodes to more bytes than there is room for, or than the decoder may produce, is refused, and nothing
// is written beyond the room.
func TestDecoderStaysInItsRoom(t *testing.T) {
	e, d := NewEncoder(zstd.SpeedFastest, Window), NewDecoder(400_000, 8<<20)
	for _, room := range []int{0, 100, Piece, Piece + 1, 300_000} {
		for _, size := range []int{100, Piece, Piece + 1, 300_000, 500_000} {
			frame := e.EncodeAll(text[:size], nil)
			memory := bytes.Repeat([]byte{0xA5}, Room(room)+64)
			got, err := d.DecodeAll(frame, memory[:0:Room(room)])
			fits := size <= Room(room)
			if fits != (err == nil) || fits && !bytes.Equal(got, text[:size]) {
				t.Errorf("%d bytes in room for %d: %d bytes, %v", size, room, len(got), err)
			}
			if !bytes.Equal(memory[Room(room):], bytes.Repeat([]byte{0xA5}, 64)) {
				t.Errorf("%d bytes in room for %d: something was written behind it", size, room)
			}
		}
	}
	if _, err := d.DecodeAll(e.EncodeAll(text[:500_000], nil), make([]byte, 0, 600_000)); err == nil {
		t.Error("more than the decoder may decode comes back")
	}
}

// Room has space for the bytes, for the last piece, and for the bytes written beyond it.
func TestRoom(t *testing.T) {
	for raw, want := range map[int]int{
		0: Slack, 1: 1 + Slack, Piece: Piece + Slack, Piece + 1: 2*Piece + Slack, 2 * Piece: 2*Piece + Slack, 2*Piece + 1: 3*Piece + Slack,
	} {
		if got := Room(raw); got != want {
			t.Errorf("Room(%d) = %d, want %d", raw, got, want)
		}
	}
}

// Dictionaries are given later to an encoder that starts with an empty one.
func TestDictionary(t *testing.T) {
	base := text[:50_000]
	e, d := NewEncoder(zstd.SpeedDefault, Window, zstd.WithEncoderDictRaw(Dictionary, nil)), NewDecoder(1<<20, 8<<20)
	if err := e.ResetWithOptions(nil, zstd.WithEncoderDictRaw(Dictionary, base)); err != nil {
		t.Fatal(err)
	}
	frame := e.EncodeAll(text[:40_000], nil)
	if err := d.ResetWithOptions(nil, zstd.WithDecoderDictRaw(Dictionary, base)); err != nil {
		t.Fatal(err)
	}
	if got, err := d.DecodeAll(frame, make([]byte, 0, Room(40_000))); err != nil || !bytes.Equal(got, text[:40_000]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
