package replicate

import (
	"math/rand/v2"
	"slices"
	"testing"

	"hc/lib/merkle"
	"hc/lib/objects"
)

// Jobs come out as they went in, without those that were taken back, and what they take is counted, whatever is done.
func TestJobsAsAModel(t *testing.T) {
	readers := []*reader{{}, {}, {}}
	type entry struct {
		reader *reader
		id     uint64
		bytes  int
	}
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 5))
		var q jobs
		var model []entry
		for id := range uint64(3000) {
			r := readers[random.IntN(len(readers))]
			switch random.IntN(6) {
			case 0, 1, 2:
				e := entry{r, id, random.IntN(100)}
				q.add(job{reader: r, request: merkle.Request{ID: id}, bytes: e.bytes})
				model = append(model, e)
			case 3:
				old := uint64(random.IntN(int(id + 1)))
				q.cancel(r, old)
				model = slices.DeleteFunc(model, func(e entry) bool { return e.reader == r && e.id == old })
			case 4:
				if j := q.next(); (j == nil) != (len(model) == 0) || j != nil && (entry{j.reader, j.request.ID, j.bytes}) != model[0] {
					t.Fatalf("seed %d, step %d: %+v came out", seed, id, j)
				}
				model = model[min(1, len(model)):]
			case 5:
				if random.IntN(50) == 0 {
					q.forget(r)
					model = slices.DeleteFunc(model, func(e entry) bool { return e.reader == r })
				}
			}
			bytes := 0
			for _, e := range model {
				bytes += perJob + e.bytes
			}
			if q.len() != len(model) || q.bytes != bytes || q.gone > len(q.list)/2+1 || len(q.at) != len(model) {
				t.Fatalf("seed %d, step %d: %d jobs of %d bytes in a list of %d, want %d of %d", seed, id, q.len(), q.bytes, len(q.list), len(model), bytes)
			}
		}
	}
}

// Only a request is cancelled by its number, and not what else has that of a zero value.
func TestCancelOfOthers(t *testing.T) {
	var q jobs
	r := &reader{}
	q.add(job{reader: r, do: func() error { return nil }})
	q.add(job{do: func() error { return nil }})
	q.cancel(r, 0)
	q.cancel(nil, 0)
	if q.len() != 2 {
		t.Errorf("%d jobs are left, want 2", q.len())
	}
}

// Large questions fill the queue sooner than small ones, and however large one is, there is room for it alone.
func TestJobsAreBoundedInBytes(t *testing.T) {
	for _, c := range []struct{ bytes, want int }{{0, maxQueued}, {16 << 10, 127}, {2 * maxQueuedBytes, 1}} {
		var q jobs
		for !q.full() {
			q.add(job{do: func() error { return nil }, bytes: c.bytes})
		}
		if q.len() != c.want {
			t.Errorf("%d jobs of %d bytes, want %d", q.len(), c.bytes, c.want)
		}
		if q.next(); q.full() {
			t.Errorf("no room for one of %d bytes, where one was taken out", c.bytes)
		}
	}
}

// What a question names is counted with it.
func TestQuestionsAreCounted(t *testing.T) {
	nodes, spans := make([]uint64, 50), []objects.Span(nil)
	for i := range 200 {
		spans = append(spans, objects.Span{First: uint64(2 * i), Count: 1})
	}
	blocks, leaves := objects.AskBlocks{Spans: spans}, objects.AskLeaves{Count: 1, Nodes: nodes}
	for kind, c := range map[uint64]struct {
		body []byte
		want int
	}{
		objects.TypeAskLeaves: {leaves.Append(nil), 50 * 8},
		objects.TypeAskBlocks: {blocks.Append(nil), 200 * 16},
		objects.TypeAskDeltas: {objects.AskDeltas{AskBlocks: blocks, Held: spans[:60]}.Append(nil), 260 * 16},
		objects.TypeAskCopies: {objects.AskCopies{AskLeaves: leaves, Held: spans[:60]}.Append(nil), 60*16 + 50*8},
	} {
		conn := &serverConn{work: make(chan struct{}, 1)}
		if err := (&objectsServer{conn: conn}).OnMessage(nil, kind, c.body); err != nil {
			t.Fatal(err)
		}
		if got := conn.jobs.bytes - perJob; got != c.want {
			t.Errorf("a question of type %d takes %d bytes, want %d", kind, got, c.want)
		}
	}
}

// BenchmarkCancel takes back the last of as many requests as may wait.
func BenchmarkCancel(b *testing.B) {
	var q jobs
	r := &reader{}
	for id := range uint64(maxQueued - 1) {
		q.add(job{reader: r, request: merkle.Request{ID: id}})
	}
	for b.Loop() {
		q.add(job{reader: r, request: merkle.Request{ID: maxQueued}})
		q.cancel(r, maxQueued)
		q.cancel(r, maxQueued+1)
	}
}
