package store

import (
	"bytes"
	"testing"

	"hc/lib/hash"
)

// A check looks at one run after the other in the same memory, but for what a large block took.
func TestCheckUsesMemoryAgain(t *testing.T) {
	k := logCheck{spent: make(chan []byte, 2)}
	first := k.copyOf(make([]byte, 1000))
	k.giveBack(first)
	for _, size := range []int{500, runBytes} {
		next := k.copyOf(make([]byte, size))
		if len(next) != size || &next[0] != &first[0] {
			t.Errorf("what was looked at is not used again, for %d bytes", size)
		}
		k.giveBack(next)
	}
	<-k.spent
	k.giveBack(k.copyOf(make([]byte, mostSpent+1)))
	if len(k.spent) != 0 {
		t.Error("the memory of a large block is kept")
	}
	for range 5 { // which does not wait for room
		k.giveBack(make([]byte, 10))
	}
}

// What a run decodes to lies in the room that the one before had.
func TestCheckDecodesInRoom(t *testing.T) {
	k := logCheck{}
	var rooms [][]byte
	for _, size := range []int{100 << 10, 200 << 10, 3 << 20} {
		block := bytes.Repeat([]byte("as of logs\n"), size/11)
		m := runMeta{codec: codecZstd, count: 1, raw: len(block), lengths: []uint32{uint32(len(block))}, leaves: []hash.Digest{hash.Leaf(block)}}
		var room []byte
		if len(rooms) > 0 {
			room = rooms[len(rooms)-1]
		}
		room, err := k.decode(runCheck{meta: &m, payload: compressAnyway(nil, block, Quick)}, room)
		if err != nil {
			t.Fatal(err)
		}
		rooms = append(rooms, room)
	}
	if &rooms[1][:1][0] != &rooms[0][:1][0] {
		t.Error("a run has memory of its own")
	}
	if cap(rooms[2]) > mostSpent {
		t.Error("the memory of a large block is kept")
	}
}
