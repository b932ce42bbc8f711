package replicate

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/replicate/answers"
	"hc/lib/store"
)

// twoVersions is blocks of 4 KiB, and the same again, of which some have a byte changed each.
func twoVersions(changed int) (first, second [][]byte) {
	random := rand.NewChaCha8([32]byte{21})
	for range 300 {
		block := make([]byte, 4<<10)
		_, _ = random.Read(block)
		first = append(first, block)
	}
	second = slices.Clone(first)
	for i := range changed {
		at := i * len(second) / changed
		second[at] = bytes.Clone(second[at])
		second[at][1000]++
	}
	return first, second
}

// packed returns the bytes of a store's packs.
func packed(t *testing.T, in *store.Store) (total int64) {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(in.Dir(), "packs", "*.pack"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pack := range packs {
		info, err := os.Stat(pack)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	return total
}

// lastOf returns the blocks of a core in a store that a second version of it has.
func lastOf(t *testing.T, in *store.Store, core *testCore, count int) []byte {
	t.Helper()
	view, err := in.View(t.Context(), core.key, false)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for block := view.Head().Length - uint64(count); block < view.Head().Length; block++ {
		data, err := view.Block(t.Context(), block)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}

// A second version costs what changed in its blocks, not the blocks; who has only a part of the first one, in that part; and who must not
// tell what he has gets whole blocks.
func TestSecondVersionComesAsDeltas(t *testing.T) {
	const changed = 30
	first, second := twoVersions(changed)
	for name, c := range map[string]struct {
		has         proof.Claim
		options     FetchOptions
		least, most int64 // bytes on the wire
	}{
		"all of it":      {proof.Claim{}, FetchOptions{}, changed * 40, changed*200 + 8<<10},
		"half of it":     {blocks(0, 149), FetchOptions{}, 300 * 4 << 10, 300*4<<10 + changed/2*200 + 16<<10}, // of both versions the other half comes, too
		"without saying": {proof.Claim{}, FetchOptions{NoDedup: true}, 300 * 4 << 10, 310 * 4 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			core, into := versions(t, first, second, c.has)
			before := packed(t, into)
			wire, _ := fetchMetered(t, core, core.key, into, c.options, core.serving(ServerOptions{}))
			if wire < c.least || wire > c.most {
				t.Errorf("%d bytes on the wire, want %d to %d", wire, c.least, c.most)
			}
			if !bytes.Equal(lastOf(t, into, core, len(second)), bytes.Join(second, nil)) {
				t.Error("what is stored is not the second version")
			}
			const named = 300 * 60 // bytes that it takes to name blocks that are here
			if grew := packed(t, into) - before; grew > c.most+named {
				t.Errorf("the reader's store grew by %d bytes, for %d on the wire", grew, wire)
			}
		})
	}
}

// kindCounts counts questions by their type.
type kindCounts [objects.TypeAskDeltas + 1]atomic.Int32

func (k *kindCounts) count(kind uint64) { k[kind].Add(1) }

func (k *kindCounts) of(kind uint64) int32 { return k[kind].Load() }

// givingDeltas answers as a real server does, after change had a look at the blocks.
func givingDeltas(change func(*objects.Blocks, objects.AskDeltas)) func(*liar, *objectsServer, uint64, []byte) error {
	return func(l *liar, g *objectsServer, kind uint64, body []byte) error {
		if kind != objects.TypeAskDeltas {
			return copying(func(*objects.Copies) {})(l, g, kind, body)
		}
		ask, err := objects.DecodeAskDeltas(body)
		if err != nil {
			return err
		}
		answer, err := g.blocks(l.snapshot, ask.AskBlocks, &ask, answers.PackOptions{Most: objects.MaxRaw}, answers.Take(objects.MaxRaw))
		if err != nil {
			return err
		}
		change(&answer, ask)
		return sendBlocks(g.channel, answer)
	}
}

// eachDelta changes the deltas of an answer.
func eachDelta(change func(*objects.Piece)) func(*objects.Blocks, objects.AskDeltas) {
	return func(m *objects.Blocks, _ objects.AskDeltas) {
		for i := range m.Pieces {
			if m.Pieces[i].Delta {
				change(&m.Pieces[i])
			}
		}
	}
}

// A peer who sends deltas that are none is dropped; one whose bases were not named, or are gone, is asked for whole blocks, and never learns
// what is here.
func TestLiarsOfDeltas(t *testing.T) {
	first, second := twoVersions(30)
	for name, c := range map[string]struct {
		answer func(*liar, *objectsServer, uint64, []byte) error
		want   error
	}{
		"none":             {givingDeltas(func(*objects.Blocks, objects.AskDeltas) {}), nil},
		"another base":     {givingDeltas(eachDelta(func(p *objects.Piece) { p.Base++ })), merkle.ErrUnverified},
		"more bytes":       {givingDeltas(eachDelta(func(p *objects.Piece) { p.Raw++; p.Lengths[0]++ })), objects.ErrMessage},
		"fewer bytes":      {givingDeltas(eachDelta(func(p *objects.Piece) { p.Raw--; p.Lengths[0]-- })), objects.ErrMessage},
		"no frame":         {givingDeltas(eachDelta(func(p *objects.Piece) { p.Payload = []byte("none") })), objects.ErrMessage},
		"a base not named": {givingDeltas(eachDelta(func(p *objects.Piece) { p.Base = 299 })), nil},
		"a base beyond":    {givingDeltas(eachDelta(func(p *objects.Piece) { p.Base = 1 << 40 })), nil},
	} {
		t.Run(name, func(t *testing.T) {
			has := blocks(0, 298)
			core, into := versions(t, first, second, has)
			var asked kindCounts
			l := &liar{capable: true, knows: objects.KnowsCopies | objects.KnowsDeltas, onObjects: func(l *liar, g *objectsServer, kind uint64, body []byte) error {
				asked.count(kind)
				return c.answer(l, g, kind, body)
			}, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error { return l.honest(ch, r, nil) }}
			got, err := read(t, into, core.key, secondOf(first, second), FetchOptions{}, core.lying(l))
			if c.want != nil && !errors.Is(err, c.want) || c.want == nil && (err != nil || !bytes.Equal(got, bytes.Join(second, nil))) {
				t.Errorf("%d bytes, %v, want %v", len(got), err, c.want)
			}
			if asked.of(objects.TypeAskDeltas) == 0 {
				t.Error("was not asked for deltas")
			}
		})
	}
}

// A delta in answer to a question that lends no base is refused.
func TestDeltaThatNobodyAskedFor(t *testing.T) {
	first, second := twoVersions(30)
	core, into := versions(t, first, second, proof.Claim{})
	l := &liar{capable: true, knows: objects.KnowsCopies, onObjects: func(l *liar, g *objectsServer, kind uint64, body []byte) error {
		if kind != objects.TypeAskBlocks {
			return copying(func(*objects.Copies) {})(l, g, kind, body)
		}
		ask, err := objects.DecodeAskBlocks(body)
		if err != nil {
			return err
		}
		answer, err := g.blocks(l.snapshot, ask, &objects.AskDeltas{AskBlocks: ask, Held: []objects.Span{{First: 0, Count: 300}}}, answers.PackOptions{Most: objects.MaxRaw}, answers.Take(objects.MaxRaw))
		if err != nil {
			return err
		}
		return sendBlocks(g.channel, answer)
	}, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error { return l.honest(ch, r, nil) }}
	if got, err := read(t, into, core.key, secondOf(first, second), FetchOptions{}, core.lying(l)); !errors.Is(err, objects.ErrMessage) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// A reader whose base is gone since he named it asks for the block as a whole, and blames nobody.
func TestDeltaWhoseBaseIsGone(t *testing.T) {
	first, second := twoVersions(30)
	core, into := versions(t, first, second, proof.Claim{})
	if err := into.Clear(t.Context(), core.key, 100, 300); err != nil {
		t.Fatal(err)
	}
	d, err := hypercore.NewDownload(t.Context(), core.key, hypercore.DownloadOptions{Store: into})
	if err != nil {
		t.Fatal(err)
	}
	var asked kindCounts
	l := &liar{capable: true, knows: objects.KnowsCopies | objects.KnowsDeltas, onObjects: func(l *liar, g *objectsServer, kind uint64, body []byte) error {
		asked.count(kind)
		return givingDeltas(func(*objects.Blocks, objects.AskDeltas) {})(l, g, kind, body)
	}, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error { return l.honest(ch, r, nil) }}
	fetchBoasting(t, d, secondOf(first, second), 300, 600, core.lying(l))
	if deltas, whole := asked.of(objects.TypeAskDeltas), asked.of(objects.TypeAskBlocks); deltas == 0 || whole == 0 {
		t.Errorf("was asked %d times for deltas, %d times for whole blocks", deltas, whole)
	}
	if !bytes.Equal(lastOf(t, into, core, len(second)), bytes.Join(second, nil)) {
		t.Error("what is stored is not the second version")
	}
}
