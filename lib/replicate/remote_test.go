package replicate

import (
	"math/rand/v2"
	"testing"

	"hc/lib/replicate/messages"
)

func TestRemoteBlocks(t *testing.T) {
	model := map[uint64]bool{}
	var r remoteBlocks
	apply := func(start, length uint64, has bool) {
		r.set(start, length, has)
		for block := start; block < start+length; block++ {
			model[block] = has
		}
	}
	apply(0, 100, true)
	apply(50, 10, false)
	apply(5000, 9000, true)
	apply(6000, 1, false)
	apply(40, 3, true)
	r.setBits(messages.Bitfield{Start: 9984, Words: []uint32{5, 0, 1<<32 - 1}})
	for i := range uint64(96) {
		model[9984+i] = i == 0 || i == 2 || i >= 64
	}
	apply(0, 70, true)
	for block := range uint64(20000) {
		if r.has(block) != model[block] {
			t.Fatalf("has(%d) = %v, want %v", block, r.has(block), model[block])
		}
	}
}

func TestRemoteBlocksAreBounded(t *testing.T) {
	var r remoteBlocks
	for start := uint64(1 << 20); start < 1<<50; start <<= 1 {
		r.set(start, 1<<52, true)
	}
	if len(r.pages) > maxPages {
		t.Errorf("%d pages, the limit is %d", len(r.pages), maxPages)
	}
}

// Random announcements leave what a plain map of blocks has.
func TestRemoteBlocksAsAModel(t *testing.T) {
	const blocks = 3 * pageBlocks
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		var r remoteBlocks
		model := make([]bool, blocks)
		for step := range 60 {
			start := random.Uint64N(blocks)
			if random.IntN(3) == 0 {
				start = r.prefix % blocks
			}
			length := min(blocks-start, random.Uint64N(1<<random.IntN(14)))
			if random.IntN(2) == 0 {
				has := random.IntN(3) > 0
				r.set(start, length, has)
				for i := range length {
					model[start+i] = has
				}
			} else {
				m := messages.Bitfield{Start: start &^ 31}
				for range 1 + random.IntN(40) {
					word := random.Uint32()
					switch random.IntN(4) {
					case 0:
						word = 0
					case 1:
						word = 1<<32 - 1
					}
					m.Words = append(m.Words, word)
				}
				m.Words = m.Words[:min(uint64(len(m.Words)), (blocks-m.Start)/32)]
				r.setBits(m)
				for i := range 32 * uint64(len(m.Words)) {
					model[m.Start+i] = m.Words[i/32]>>(i%32)&1 != 0
				}
			}
			for block := range uint64(blocks) {
				if r.has(block) != model[block] {
					t.Fatalf("seed %d, step %d: has(%d) = %v", seed, step, block, r.has(block))
				}
			}
		}
	}
}

// What an announcement costs shows in what it is charged with.
func TestAnnouncementsAreCharged(t *testing.T) {
	var r remoteBlocks
	if cost := r.set(0, 1<<50, true); cost > 1 {
		t.Errorf("a prefix costs %d", cost)
	}
	if cost := r.setBits(messages.Bitfield{Start: 0, Words: []uint32{2}}); cost < maxPages/2 {
		t.Errorf("a hole in it costs %d", cost)
	}
	if cost := r.set(1<<30, 1<<40, true); cost < maxPages {
		t.Errorf("a range that touches %d pages costs %d", maxPages, cost)
	}
	if cost := r.set(1<<35, 32, true); cost > 2 {
		t.Errorf("one page costs %d", cost)
	}
	if len(r.pages) > maxPages {
		t.Errorf("%d pages", len(r.pages))
	}
}
