package hyperbee_test

import (
	"context"
	"fmt"
	"testing"

	"hc/lib/hyperbee"
)

// slow is a core that comes over a network: a block that was not expected takes a wait of its own. Those that were
// expected since the last wait come together.
type slow struct {
	core  blocks
	here  map[uint64]bool
	asked []uint64
	waits int
}

func (s *slow) Expect(seqs []uint64) { s.asked = append(s.asked, seqs...) }

func (s *slow) Block(ctx context.Context, seq uint64) ([]byte, error) {
	if !s.here[seq] {
		s.waits++
		s.here[seq] = true
		for _, asked := range s.asked {
			s.here[asked] = true
		}
		s.asked = nil
	}
	return s.core.Block(ctx, seq)
}

func TestPrefetchTakesTwoWaitsALevel(t *testing.T) {
	core := bigCore(t, 20000)
	version := uint64(len(core))
	all := collect(t, hyperbee.Open(core, version), hyperbee.Range{})
	depth := 0
	for names := 1; names < len(all); names *= 5 {
		depth++
	}
	for _, part := range [][2]int{{0, len(all) - 1}, {0, 0}, {100, 900}, {7000, 7400}, {len(all) - 10, len(all) - 1}} {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			s := &slow{core: core, here: map[uint64]bool{}}
			tree := hyperbee.Open(s, version)
			r := hyperbee.Range{GTE: all[part[0]].Key, LTE: all[part[1]].Key}
			if err := tree.Prefetch(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			got := collect(t, tree, r)
			if len(got) != part[1]-part[0]+1 {
				t.Errorf("%d entries", len(got))
			}
			if most := 2*depth + 1; s.waits > most {
				t.Errorf("%d waits, want at most %d", s.waits, most)
			}
			if most := 2*len(got) + 17*depth*2; len(s.here) > most {
				t.Errorf("%d blocks for %d entries, want at most %d", len(s.here), len(got), most)
			}
		})
	}
}

func TestPrefetchOfNothing(t *testing.T) {
	for version := range uint64(2) {
		s := &slow{core: blocks{hyperbee.Header()}, here: map[uint64]bool{}}
		if err := hyperbee.Open(s, version).Prefetch(t.Context(), hyperbee.Range{}); err != nil || s.waits > 0 {
			t.Errorf("version %d: %d waits, %v", version, s.waits, err)
		}
	}
}
