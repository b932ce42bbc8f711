package replicate

import (
	"testing"

	"hc/lib/objects"
)

// Where few are connected an answer is as long as one may be. Where many are it is short, in a short frame, and ends where a run does; but what
// is larger by itself comes all the same.
func TestCrowdedAnswers(t *testing.T) {
	core := &testCore{t: t, store: newStore(t)}
	core.blocks = append(blocksOf(40, 64<<10), blocksOf(1, 1<<20)...)
	core.append(core.blocks...)
	g, snapshot := core.answerer()
	for range fewConns {
		g.conn.server.conns[&serverConn{}] = true
	}
	if most := g.conn.mostRaw(); most != objects.MaxRaw {
		t.Errorf("few get %d bytes, want %d", most, objects.MaxRaw)
	}
	g.conn.server.conns[g.conn] = true
	most := g.conn.mostRaw()
	if most != crowdedRaw {
		t.Errorf("many get %d bytes, want %d", most, crowdedRaw)
	}
	frame := takeFrame(most)
	for at := uint64(0); at < 40; {
		answer, err := g.blocks(snapshot, objects.AskBlocks{Spans: []objects.Span{{First: at, Count: 40 - at}}}, nil, most, frame)
		if err != nil {
			t.Fatal(err)
		}
		if raw, _ := answer.Size(); raw > crowdedRaw || cap(frame.b) != shortFrame {
			t.Errorf("block %d: an answer of %d bytes, in a frame of %d", at, raw, cap(frame.b))
		}
		for _, piece := range answer.Pieces {
			extent, err := snapshot.Extent(t.Context(), at, 40)
			if err != nil || !extent.Whole || int(extent.Count) != piece.Count {
				t.Fatalf("block %d: a piece of %d blocks, where a run has %d, %v", at, piece.Count, extent.Count, err)
			}
			at += extent.Count
		}
		frame.b = frame.b[:frontRoom]
	}
	answer, err := g.blocks(snapshot, objects.AskBlocks{Spans: []objects.Span{{First: 40, Count: 1}}}, nil, most, frame)
	if raw, count := answer.Size(); err != nil || count != 1 || raw != 1<<20 {
		t.Errorf("a block of 1 MiB: %d blocks of %d bytes, %v", count, raw, err)
	}
	frame.giveBack()
}
