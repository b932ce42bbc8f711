package store

import (
	"bytes"
	"testing"

	"hc/lib/hash"
	"hc/lib/lent"
	"hc/lib/store/codec"
	"hc/lib/store/records"
)

// A check reads one run after another into the same memory, except large blocks.
func TestCheckUsesMemoryAgain(t *testing.T) {
	k := logCheck{pool: lent.NewPool(1 << 20)}
	first, memory := k.room(1000)
	memory.Release()
	next, memory := k.room(500)
	if &next[:1][0] != &first[:1][0] {
		t.Error("what was looked at is not used again")
	}
	memory.Release()
	if room, memory := k.room(mostSpent + 1); memory != nil || cap(room) <= mostSpent {
		t.Errorf("a large block has %d bytes of memory that is kept: %v", cap(room), memory != nil)
	}
}

// Memory that a run was decoded into is given back, whether the run is valid or not.
func TestCheckGivesMemoryBack(t *testing.T) {
	block := bytes.Repeat([]byte("as of logs\n"), 20<<10)
	frame := codec.CompressAnyway(nil, block, Quick)
	for name, c := range map[string]struct {
		payload []byte
		leaf    hash.Digest
		good    bool
	}{
		"a good one":       {frame, hash.Leaf(block), true},
		"another leaf":     {frame, hash.Leaf(block[1:]), false},
		"half of a frame":  {frame[:len(frame)/2], hash.Leaf(block), false},
		"an empty payload": {nil, hash.Leaf(block), false},
	} {
		k := logCheck{pool: lent.NewPool(1)} // full as long as anything is out
		m := records.Run{Codec: records.CodecZstd, Count: 1, Raw: len(block), Lengths: []uint32{uint32(len(block))}, Leaves: []hash.Digest{c.leaf}}
		if err := k.decode(runCheck{meta: &m, payload: c.payload}); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
		if k.pool.Full() {
			t.Errorf("%s: something is held", name)
		}
	}
}
