package bitfield

import (
	"math/rand/v2"
	"testing"
)

func TestRemoteBlocks(t *testing.T) {
	model := map[uint64]bool{}
	var r Remote
	apply := func(start, length uint64, has bool) {
		r.Set(start, length, has)
		for block := start; block < start+length; block++ {
			model[block] = has
		}
	}
	apply(0, 100, true)
	apply(50, 10, false)
	apply(5000, 9000, true)
	apply(6000, 1, false)
	apply(40, 3, true)
	r.SetBits(9984, []uint32{5, 0, 1<<32 - 1})
	for i := range uint64(96) {
		model[9984+i] = i == 0 || i == 2 || i >= 64
	}
	apply(0, 70, true)
	for block := range uint64(20000) {
		if r.Has(block) != model[block] {
			t.Fatalf("has(%d) = %v, want %v", block, r.Has(block), model[block])
		}
	}
}

func TestRemoteBlocksAreBounded(t *testing.T) {
	var r Remote
	for start := uint64(1 << 20); start < 1<<50; start <<= 1 {
		r.Set(start, 1<<52, true)
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
		var r Remote
		model := make([]bool, blocks)
		for step := range 60 {
			start := random.Uint64N(blocks)
			if random.IntN(3) == 0 {
				start = r.prefix % blocks
			}
			length := min(blocks-start, random.Uint64N(1<<random.IntN(14)))
			if random.IntN(2) == 0 {
				has := random.IntN(3) > 0
				r.Set(start, length, has)
				for i := range length {
					model[start+i] = has
				}
			} else {
				first, words := start&^31, []uint32(nil)
				for range 1 + random.IntN(40) {
					word := random.Uint32()
					switch random.IntN(4) {
					case 0:
						word = 0
					case 1:
						word = 1<<32 - 1
					}
					words = append(words, word)
				}
				words = words[:min(uint64(len(words)), (blocks-first)/32)]
				r.SetBits(first, words)
				for i := range 32 * uint64(len(words)) {
					model[first+i] = words[i/32]>>(i%32)&1 != 0
				}
			}
			next, some := uint64(0), false
			for block := uint64(blocks); block > 0; {
				block--
				if r.Has(block) != model[block] {
					t.Fatalf("seed %d, step %d: has(%d) = %v", seed, step, block, r.Has(block))
				}
				if model[block] {
					next, some = block, true
				}
				if at, ok := r.Next(block); at != next || ok != some {
					t.Fatalf("seed %d, step %d: behind %d the next one is %d, %v, want %d, %v", seed, step, block, at, ok, next, some)
				}
			}
		}
	}
}

// What an announcement costs shows in what it is charged with.
func TestAnnouncementsAreCharged(t *testing.T) {
	var r Remote
	if cost := r.Set(0, 1<<50, true); cost > 1 {
		t.Errorf("a prefix costs %d", cost)
	}
	if cost := r.SetBits(0, []uint32{2}); cost < maxPages/2 {
		t.Errorf("a hole in it costs %d", cost)
	}
	if cost := r.Set(1<<30, 1<<40, true); cost < maxPages {
		t.Errorf("a range that touches %d pages costs %d", maxPages, cost)
	}
	if cost := r.Set(1<<35, 32, true); cost > 2 {
		t.Errorf("one page costs %d", cost)
	}
	if len(r.pages) > maxPages {
		t.Errorf("%d pages", len(r.pages))
	}
}
