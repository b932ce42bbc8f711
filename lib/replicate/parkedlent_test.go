package replicate

import (
	"testing"

	"hc/lib/hypercore"
	"hc/lib/lent"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/protomux"
)

// An answer that waits for what it builds on holds the memory in which its blocks lie, until it is taken in or given up; one that
// nobody waits for any more holds nothing.
func TestParkedAnswersHoldTheirMemory(t *testing.T) {
	const anchor = 5
	block := make([]byte, leastHeld)
	together := func(memory *lent.Memory) event {
		memory.Hold() // one is of the block, one of the frame
		return event{answer: &objectsAnswer{id: 1, blocks: [][]byte{block}, memory: []*lent.Memory{memory}, frames: []answerFrame{{count: 1, data: block, raw: true, memory: memory}}}}
	}
	alone := func(memory *lent.Memory) event {
		return event{proof: &merkle.Proof{ID: 1, Block: &merkle.BlockProof{Value: block}}, memory: memory}
	}
	for name, answer := range map[string]func(memory *lent.Memory) event{"many": together, "one": alone} {
		for _, late := range []bool{false, true} {
			f := newFetcher(mustDownload(t), FetchOptions{})
			s := f.add(t.Context(), "peer")
			s.objects = new(protomux.Channel)
			one := &asked{session: s, request: merkle.Request{ID: 1, Block: &merkle.BlockRequest{}}}
			one.anchor = anchor
			some := &asked{session: s, question: &question{spans: []objects.Span{{Count: 1}}, Needs: hypercore.Needs{Anchors: []uint64{anchor}}}}
			another := &asked{session: s, question: &question{}}
			s.requests[1], s.questions[1], s.questions[2] = one, some, another
			f.underWay.nodes[anchor]++
			s.dropped = late

			pool := lent.NewPool(1) // full as long as anything is out
			e := answer(pool.Take(1))
			e.session = s
			if err := f.handle(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			if parked := len(f.parking.answers) == 1; parked == late || pool.Full() != parked {
				t.Errorf("%s, late %v: it is parked: %v, and held: %v", name, late, parked, pool.Full())
			}
			delete(f.underWay.nodes, anchor)
			if err := f.unpark(t.Context()); err != nil {
				t.Fatal(err)
			}
			if parked := len(f.parking.answers) == 1; parked == late {
				t.Errorf("%s, late %v: before the next plan, which may ask for its node, it is parked: %v", name, late, parked)
			}
			f.plans++
			if err := f.unpark(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(f.parking.answers) > 0 || pool.Full() {
				t.Errorf("%s, late %v: %d answers are parked, something is held: %v", name, late, len(f.parking.answers), pool.Full())
			}
		}
	}
}
