package replicate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/replicate/replicatetest"
)

// worded is a core of text that takes many runs.
func worded(t *testing.T, count int) *testCore {
	t.Helper()
	core := &testCore{t: t, store: newStore(t)}
	for i := range count {
		core.blocks = append(core.blocks, bytes.Repeat(fmt.Appendf(nil, "block %d. ", i), 400+i%150))
	}
	core.append(core.blocks...)
	return core
}

// Questions end where the server's runs do, so that most runs are sent, and stored, as they are.
func TestQuestionsEndWithRuns(t *testing.T) {
	core, into := worded(t, 5000), newStore(t)
	got, err := read(t, into, core.key, proof.Claim{}, FetchOptions{}, core.serving(ServerOptions{}))
	if err != nil || !bytes.Equal(got, core.bytes()) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	there := map[string]bool{}
	runs := storedRuns(t, core.store, core.key)
	for _, run := range runs {
		there[string(run)] = true
	}
	same := 0
	for _, run := range storedRuns(t, into, core.key) {
		if there[string(run)] {
			same++
		}
	}
	if len(runs) < 60 || same < len(runs)*8/10 {
		t.Errorf("%d of %d runs are as the server has them", same, len(runs))
	}
}

// What a peer says of his runs moves nothing but borders.
func TestLiesAboutRuns(t *testing.T) {
	runs := func(counts ...uint64) func(ask objects.AskRuns, ch *protomux.Channel) error {
		return func(ask objects.AskRuns, ch *protomux.Channel) error {
			return ch.Send(objects.TypeRuns, objects.Runs{ID: ask.ID, Counts: counts}.Append(nil))
		}
	}
	for _, c := range []struct {
		name   string
		answer func(ask objects.AskRuns, ch *protomux.Channel) error
		want   error
	}{
		{"one block each", runs(1, 1, 1, 1, 1, 1, 1), nil},
		{"none at all", runs(), nil},
		{"beyond what was asked about", runs(5, objects.MaxBlocks-5), nil},
		{"it is not here", func(ask objects.AskRuns, ch *protomux.Channel) error {
			return ch.Send(objects.TypeNone, objects.None{ID: ask.ID}.Append(nil))
		}, nil},
		{"an answer to nothing", func(ask objects.AskRuns, ch *protomux.Channel) error {
			return ch.Send(objects.TypeRuns, objects.Runs{ID: ask.ID + 99}.Append(nil))
		}, ErrPeer},
		{"leaves", func(ask objects.AskRuns, ch *protomux.Channel) error {
			return ch.Send(objects.TypeLeaves, objects.Leaves{ID: ask.ID}.Append(nil))
		}, ErrPeer},
		{"silence", func(objects.AskRuns, *protomux.Channel) error { return nil }, nil}, // all that is read comes
	} {
		t.Run(c.name, func(t *testing.T) {
			core := worded(t, 1200)
			asked := false
			peer := &liar{capable: true, onObjects: func(l *liar, g *objectsServer, kind uint64, body []byte) error {
				if kind != objects.TypeAskRuns {
					return answering(nil, nil)(l, g, kind, body)
				}
				asked = true
				ask, err := objects.DecodeAskRuns(body)
				if err != nil {
					return err
				}
				return c.answer(ask, g.channel)
			}}
			peer.knows = objects.KnowsRuns
			got, err := read(t, newStore(t), core.key, proof.Claim{}, FetchOptions{Stall: waitLimit}, core.lying(peer))
			if !errors.Is(err, c.want) || err == nil && !bytes.Equal(got, core.bytes()) {
				t.Errorf("%d bytes, %v, want %v", len(got), err, c.want)
			}
			if !asked {
				t.Error("it was not asked")
			}
		})
	}
}

// A server tells of the blocks that were asked about alone, and nothing of another fork or beyond the log.
func TestGiveRuns(t *testing.T) {
	core := worded(t, 300)
	snapshot, err := hypercore.OpenSnapshot(t.Context(), core.store, core.key)
	if err != nil {
		t.Fatal(err)
	}
	g := &objectsServer{conn: &serverConn{ctx: t.Context()}}
	all, err := g.runs(snapshot, objects.AskRuns{ID: 5, Count: 300})
	if err != nil || all.ID != 5 || len(all.Counts) < 4 {
		t.Fatalf("%+v, %v", all, err)
	}
	cut, err := g.runs(snapshot, objects.AskRuns{First: 3, Count: all.Counts[0] - 3 + 2})
	if err != nil || !slices.Equal(cut.Counts, []uint64{all.Counts[0] - 3, 2}) {
		t.Errorf("from block 3 to the second one of the next run: %+v, %v", cut, err)
	}
	for want, ask := range map[error]objects.AskRuns{merkle.ErrFork: {Fork: 1, Count: 1}, merkle.ErrInvalidRequest: {First: 299, Count: 2}} {
		if _, err := g.runs(snapshot, ask); !errors.Is(err, want) {
			t.Errorf("%+v: %v, want %v", ask, err, want)
		}
	}
}

// It is asked where the runs behind those end of which it is known, before blocks of them are asked for; not long before, and not behind the
// last block that is wanted.
func TestRunsAreKnownBefore(t *testing.T) {
	f := newFetcher(mustDownload(t), FetchOptions{})
	f.recent = 64 << 10 // bytes of a block
	s := f.add(t.Context(), "server")
	s.tellsRuns = true
	var err error
	mux := protomux.New(replicatetest.NewFrames(1), protomux.Options{})
	if s.objects, err = mux.Open(objects.Protocol, make([]byte, 32), nil, replicatetest.Unhearing{}); err != nil {
		t.Fatal(err)
	}
	const length, each = 10_000, 4 // blocks, of them in a run
	for _, c := range []struct {
		block, asked, told uint64 // asked is where the question begins, told how many runs come in return; 0: there is none
	}{
		{0, 0, 256},
		{500, 0, 0},
		{900, 1024, 256},
		{1100, 0, 0},
		{1900, 2048, 10},
		{9000, 9000, 225}, // a leap
		{9700, 9900, 25},
		{9900, 0, 0},
	} {
		if err := f.askRuns(s, c.block, length-c.block, length); err != nil {
			t.Fatal(err)
		}
		if s.runs.asked != (c.told > 0) || s.runs.asked && s.runs.from != c.asked {
			t.Errorf("block %d: asked: %v, from block %d on", c.block, s.runs.asked, s.runs.from)
		}
		if !s.runs.asked {
			continue
		}
		if c.block != c.asked && s.runs.within(c.block, c.block+2*each) != c.block+2*each {
			t.Errorf("block %d: what was known is forgotten", c.block)
		}
		f.heardRuns(s, s.questions[s.questionID], &objectsAnswer{runs: &objects.Runs{Counts: slices.Repeat([]uint64{each}, int(c.told))}})
		if end := c.asked + each*c.told; !s.runs.knows(end-1) || s.runs.knows(end) || s.runs.within(end-3*each, end-1) != end-each {
			t.Errorf("block %d: %d runs are known to block %d", c.block, len(s.runs.ends), s.runs.end)
		}
	}
	if len(s.runs.ends) > 300 {
		t.Errorf("it is known where %d runs end", len(s.runs.ends))
	}
}

// Of what a peer tells beyond what he was asked nothing is kept: it would pile up, and hide what he tells with the next answer.
func TestRunsBeyondTheQuestion(t *testing.T) {
	f := newFetcher(mustDownload(t), FetchOptions{})
	s := f.add(t.Context(), "server")
	a := &asked{question: &question{runs: true}, session: s}
	s.runs = runEnds{from: 0, to: 10}
	f.heardRuns(s, a, &objectsAnswer{runs: &objects.Runs{Counts: []uint64{5, 20, 1, 1}}})
	s.runs.from, s.runs.to = s.runs.end, 20
	f.heardRuns(s, a, &objectsAnswer{runs: &objects.Runs{Counts: []uint64{4, 6}}})
	if want := []uint64{5, 14, 20}; !slices.Equal(s.runs.ends, want) || s.runs.end != 20 {
		t.Errorf("runs are known to end at %v, and up to %d, want %v", s.runs.ends, s.runs.end, want)
	}
}

func TestRunEnds(t *testing.T) {
	r := runEnds{ends: []uint64{100, 200, 300}}
	for _, c := range [][3]uint64{{0, 350, 300}, {0, 300, 300}, {0, 299, 200}, {150, 250, 200}, {199, 250, 250}, {0, 90, 90}, {90, 105, 100}, {95, 105, 100}, {400, 500, 500}} {
		if got := r.within(c[0], c[1]); got != c[2] {
			t.Errorf("%d to %d: %d, want %d", c[0], c[1], got, c[2])
		}
	}
}
