package replicate

import (
	"testing"
	"time"

	"hc/lib/hash"
	"hc/lib/merkle"
)

// Of a peer that owes many answers, and gives one at a time, a few are waited for, and hashed together; of one that owes few, none.
func TestGather(t *testing.T) {
	for name, c := range map[string]struct {
		owes, gave int
		want       int // answers that are gathered
	}{
		"many":            {owesMany, owesMany, hashTogether},
		"few":             {owesMany - 1, owesMany, 1},
		"many, first one": {owesMany, 1, 1},
	} {
		f := newFetcher(mustDownload(t), FetchOptions{})
		s := f.add(t.Context(), "stock")
		s.answers.Store(int64(c.gave))
		for id := range uint64(c.owes) {
			s.requests[id] = &asked{session: s}
		}
		var answers []event
		for i := range uint64(2 * hashTogether) {
			answers = append(answers, event{session: s, proof: &merkle.Proof{Block: &merkle.BlockProof{Index: i, Value: []byte{byte(i)}}}})
		}
		for _, answer := range answers[1:] {
			f.events <- answer
		}
		events := f.gather(t.Context(), answers[0])
		if len(events) != c.want {
			t.Errorf("%s: %d answers were gathered, want %d", name, len(events), c.want)
		}
		for i, e := range events {
			if leaf := e.proof.Block.Leaf; leaf == nil || *leaf != hash.Leaf([]byte{byte(i)}) {
				t.Errorf("%s: answer %d has leaf %v", name, i, leaf)
			}
		}
	}
}

// Who owes many answers and gives none is not waited for beyond a moment.
func TestGatherSilent(t *testing.T) {
	f := newFetcher(mustDownload(t), FetchOptions{})
	s := f.add(t.Context(), "stock")
	s.answers.Store(owesMany)
	for id := range uint64(owesMany) {
		s.requests[id] = &asked{session: s}
	}
	one := event{session: s, proof: &merkle.Proof{Block: &merkle.BlockProof{Value: []byte("alone")}}}
	gathered := make(chan int, 1)
	go func() { gathered <- len(f.gather(t.Context(), one)) }()
	select {
	case n := <-gathered:
		if n != 1 {
			t.Errorf("%d answers were gathered of one that came", n)
		}
	case <-time.After(waitLimit):
		t.Error("it is waited for more")
	}
}
