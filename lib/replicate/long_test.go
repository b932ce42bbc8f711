package replicate

import (
	"bytes"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"hc/lib/budget"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/proof"
	"hc/lib/replicate/messages"
)

// Peers that ask for a long block, in either way, and then read nothing take a bounded amount of memory together. They make
// room for one another, and for a peer that reads.
func TestLongAnswersTakeLittleMemory(t *testing.T) {
	noLeaks(t)
	core := &testCore{t: t, store: newStore(t)}
	long := make([]byte, 15<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(long)
	core.blocks = [][]byte{long, long[1:]}
	core.append(core.blocks...)
	const others, most = 16, 32 << 20
	var made, dropped atomic.Int64
	connect := core.server(ServerOptions{Trace: counting(&made), Dropped: func(string, error) { dropped.Add(1) }}, func(s *Server) {
		const window = 200 * time.Millisecond
		s.long = longAnswers{budget.NewLastFirst(most, window), budget.New(most, window)}
	})
	var deaf []*asking
	for i := range others {
		a := ask(t, connect(), core.key)
		a.deaf.Store(true)
		t.Cleanup(func() { close(a.hears) })
		a.open().await(typeOpened)
		if i%2 == 1 {
			a.openObjects()
		}
		deaf = append(deaf, a)
	}
	grown := heapPeak(func() {
		for i, a := range deaf {
			if i%2 == 0 {
				a.send(messages.TypeRequest, messages.AppendRequest(nil, merkle.Request{ID: 1, Block: &merkle.BlockRequest{Nodes: 1}}))
			} else {
				a.send(objects.TypeAskBlocks, objects.AskBlocks{ID: 1, Spans: []objects.Span{{First: 1, Count: 1}}}.Append(nil))
			}
		}
		eventually(t, func() bool { return made.Load() == others || dropped.Load() == others-most/int64(len(long)) })
	})
	t.Logf("%d MiB for %d peers", grown>>20, others)
	if grown > 5*most {
		t.Errorf("%d MiB for %d peers", grown>>20, others)
	}
	got, err := read(t, nil, core.key, proof.Claim{}, FetchOptions{}, connect())
	if err != nil || !bytes.Equal(got, core.bytes()) {
		t.Errorf("the peer that reads got %d bytes of %d, %v", len(got), 2*len(long), err)
	}
}
