package replicate

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"hc/lib/hyperdrive"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/replicate/answers"
	"hc/lib/replicate/replicatetest"
)

// inserted is blocks of a file, and what an import of its next version appends: the block that is new, and the map in which it stands among
// the others.
func inserted(count int) (first, second [][]byte) {
	first = noise(8, count)
	for i := range first {
		first[i] = first[i][:300+(int(first[i][0])<<8|int(first[i][1]))%400]
	}
	changed := noise(9, 1)[0]
	var pieces []hyperdrive.Piece
	for i, block := range first {
		if i == count/2 {
			pieces = append(pieces, hyperdrive.Piece{Block: uint64(count), Length: uint64(len(changed))})
			continue
		}
		pieces = append(pieces, hyperdrive.Piece{Block: uint64(i), Length: uint64(len(block))})
	}
	return first, [][]byte{changed, hyperdrive.EncodeMapBlock(pieces)}
}

// The map of a file's next version costs its runs; the whole of it who may not tell what he holds, or holds too little.
func TestMapCostsItsRuns(t *testing.T) {
	first, second := inserted(3000)
	long := int64(len(second[1]))
	for name, c := range map[string]struct {
		has         proof.Claim
		options     FetchOptions
		least, most int64 // bytes on the wire, beside what was missing of the first version
	}{
		"all of it":      {proof.Claim{}, FetchOptions{}, 200, 2000},
		"without saying": {proof.Claim{}, FetchOptions{NoDedup: true}, long / 2, long + 3000},
		"a tenth of it":  {blocks(0, 299), FetchOptions{}, long, 1 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			core, into := versions(t, first, second, c.has)
			wire, _ := fetchMetered(t, core, core.key, into, c.options, core.serving(ServerOptions{}))
			if wire < c.least || wire > c.most {
				t.Errorf("%d bytes on the wire, want %d to %d; the map has %d", wire, c.least, c.most, long)
			}
			if !bytes.Equal(lastOf(t, into, core, len(second)), bytes.Join(second, nil)) {
				t.Error("what is stored is not the second version")
			}
		})
	}
}

// A file of very many chunks has several blocks of map, more than are told as such in one answer.
func TestManyMapsCostTheirRuns(t *testing.T) {
	first, _ := inserted(3000)
	var maps [][]byte
	size := 0
	for left := range 30 {
		var pieces []hyperdrive.Piece
		for i := left; i < len(first); i++ {
			pieces = append(pieces, hyperdrive.Piece{Block: uint64(i), Length: uint64(len(first[i]))})
		}
		maps = append(maps, hyperdrive.EncodeMapBlock(pieces))
		size += len(maps[left])
	}
	if size < 3*objects.MaxMap {
		t.Fatalf("the maps have %d bytes", size)
	}
	core, into := versions(t, first, maps, proof.Claim{})
	wire, _ := fetchMetered(t, core, core.key, into, FetchOptions{}, core.serving(ServerOptions{}))
	if wire > 5000 {
		t.Errorf("%d bytes on the wire for %d maps of %d bytes", wire, len(maps), size)
	}
	if !bytes.Equal(lastOf(t, into, core, len(maps)), bytes.Join(maps, nil)) {
		t.Error("what is stored is not the second version")
	}
}

// givingMaps answers as a real server does, after change had a look at each map.
func givingMaps(change func(*objects.Piece)) func(*liar, *objectsServer, uint64, []byte) error {
	return givingDeltas(func(m *objects.Blocks, _ objects.AskDeltas) {
		for i := range m.Pieces {
			if m.Pieces[i].Map {
				change(&m.Pieces[i])
			}
		}
	})
}

// A peer whose maps give other blocks, or come unasked, is dropped.
func TestLiarsOfMaps(t *testing.T) {
	const all = objects.KnowsCopies | objects.KnowsDeltas | objects.KnowsMaps
	first, second := inserted(3000)
	unasked := func(l *liar, g *objectsServer, kind uint64, body []byte) error {
		if kind != objects.TypeAskDeltas {
			return copying(func(*objects.Copies) {})(l, g, kind, body)
		}
		ask, err := objects.DecodeAskDeltas(body)
		if err != nil {
			return err
		}
		if ask.Maps {
			t.Error("who does not know of maps was asked for them")
		}
		ask.Maps = true
		answer, err := g.blocks(l.snapshot, ask.AskBlocks, &ask, answers.PackOptions{Most: objects.MaxRaw}, answers.Take(objects.MaxRaw))
		if err != nil {
			return err
		}
		return sendBlocks(g.channel, answer)
	}
	for name, c := range map[string]struct {
		knows  uint64
		answer func(*liar, *objectsServer, uint64, []byte) error
		want   error
	}{
		"none":            {all, givingMaps(func(*objects.Piece) {}), nil},
		"another length":  {all, givingMaps(func(p *objects.Piece) { p.Payload[len(p.Payload)-1]++ }), merkle.ErrUnverified},
		"bytes behind it": {all, givingMaps(func(p *objects.Piece) { p.Payload = append(p.Payload, 1) }), objects.ErrMessage},
		"too few bytes":   {all, givingMaps(func(p *objects.Piece) { p.Payload = p.Payload[:len(p.Payload)-1] }), objects.ErrMessage},
		"unasked":         {all &^ objects.KnowsMaps, unasked, ErrPeer},
	} {
		t.Run(name, func(t *testing.T) {
			core, into := versions(t, first, second, proof.Claim{})
			went := 0
			l := &liar{capable: true, knows: c.knows, onObjects: func(l *liar, g *objectsServer, kind uint64, body []byte) error {
				if kind == objects.TypeAskDeltas {
					went++
				}
				return c.answer(l, g, kind, body)
			}, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error { return l.honest(ch, r, nil) }}
			last := uint64(len(first))
			got, err := read(t, into, core.key, blocks(last+1, last+1), FetchOptions{}, core.lying(l))
			if c.want != nil && !errors.Is(err, c.want) || c.want == nil && (err != nil || !bytes.Equal(got, second[1])) {
				t.Errorf("%d bytes, %v, want %v", len(got), err, c.want)
			}
			if went == 0 {
				t.Error("was not asked for deltas")
			}
		})
	}
}

// A map goes as such beside others of the same file, though all of them are stored compressed together.
func TestMapsAmongOthers(t *testing.T) {
	first, second := inserted(3000)
	text := bytes.Repeat([]byte("a line that can be compressed\n"), 300)
	second = slices.Concat([][]byte{text}, second[1:], [][]byte{text[30:]})
	core, into := versions(t, first, second, proof.Claim{})
	wire, _ := fetchMetered(t, core, core.key, into, FetchOptions{}, core.serving(ServerOptions{}))
	if wire > 2500 {
		t.Errorf("%d bytes on the wire", wire)
	}
	if !bytes.Equal(lastOf(t, into, core, len(second)), bytes.Join(second, nil)) {
		t.Error("what is stored is not the second version")
	}
}

// What a map does not tell is what the reader said with the question that it answers: with the next one he may say that he holds more, as a
// log that is followed grows.
func TestMapAnswersItsOwnQuestion(t *testing.T) {
	first, second := inserted(3000)
	f := newFetcher(mustDownload(t), FetchOptions{})
	s := f.add(t.Context(), "server")
	s.heldLength = func(_ context.Context, block uint64) (int, error) { return len(first[block]), nil }
	var err error
	mux := protomux.New(replicatetest.NewFrames(1), protomux.Options{})
	if s.objects, err = mux.Open(objects.Protocol, make([]byte, 32), nil, replicatetest.Unhearing{}); err != nil {
		t.Fatal(err)
	}
	for id, held := range []uint64{2900, 3000} {
		m := &question{spans: []objects.Span{{First: 3001, Count: 1}}, lent: []objects.Span{{First: 0, Count: held}}}
		if err := s.sendQuestion(m, uint64(id), 0); err != nil {
			t.Fatal(err)
		}
	}
	for id, held := range []uint64{2900, 3000} {
		piece, ok := objects.PackMap(second[1], []objects.Span{{First: 0, Count: held}}, func(block uint64) (int, bool) { return len(first[block]), true })
		if !ok {
			t.Fatalf("no map of %d bytes is told to who holds %d blocks", len(second[1]), held)
		}
		body := append(objects.Blocks{ID: uint64(id), Pieces: []objects.Piece{piece}}.Head(), piece.Payload...)
		if err := (&objectsReader{s}).OnMessage(s.objects, objects.TypeBlocks, body); err != nil {
			t.Fatalf("answer %d: %v", id, err)
		}
		e := <-f.events
		e.answer.await()
		if len(e.answer.blocks) != 1 || !bytes.Equal(e.answer.blocks[0], second[1]) {
			t.Errorf("answer %d does not give the map", id)
		}
	}
}
