package replicate

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/protomux"
)

// copying answers as a real server does, after change had a look at the answer about copies, if there are some: of few blocks, as they are
// asked for where another peer gave the rest, all may be new.
func copying(change func(*objects.Copies)) func(*liar, *objectsServer, uint64, []byte) error {
	return func(l *liar, g *objectsServer, kind uint64, body []byte) error {
		if kind != objects.TypeAskCopies {
			return answering(nil, nil)(l, g, kind, body)
		}
		ask, err := objects.DecodeAskCopies(body)
		if err != nil {
			return err
		}
		answer, err := g.copies(l.snapshot, ask)
		if err != nil {
			return err
		}
		if len(answer.Copies) > 0 {
			change(&answer)
		}
		return g.channel.Send(objects.TypeCopies, answer.Append(nil))
	}
}

// raw answers questions about copies with something.
func raw(kind uint64, body func(ask objects.AskCopies) []byte) func(*liar, *objectsServer, uint64, []byte) error {
	return func(l *liar, g *objectsServer, asked uint64, question []byte) error {
		if asked != objects.TypeAskCopies {
			return answering(nil, nil)(l, g, asked, question)
		}
		ask, err := objects.DecodeAskCopies(question)
		if err != nil {
			return err
		}
		return g.channel.Send(kind, body(ask))
	}
}

// A peer who lies about copies is dropped with its reason, a good one beside it goes on, and what comes out is right.
func TestLiarsAboutCopies(t *testing.T) {
	first := noise(1, 300)
	second := slices.Concat(first[:30], noise(2, 1), first[30:100], noise(3, 2), first[100:])
	cases := []struct {
		name   string
		answer func(*liar, *objectsServer, uint64, []byte) error
		want   error
	}{
		{"like another one", copying(func(m *objects.Copies) { m.Copies[0].From++ }), merkle.ErrUnverified},
		{"like far others", copying(func(m *objects.Copies) { m.Copies[len(m.Copies)-1].From = 200 }), merkle.ErrUnverified},
		{"like one that he has not", copying(func(m *objects.Copies) { m.Copies[0].From = 300 }), ErrPeer},
		{"like some that he has not", copying(func(m *objects.Copies) { m.Copies[0].From = 299 }), ErrPeer},
		{"more than was asked for", copying(func(m *objects.Copies) { m.Copies[len(m.Copies)-1].Count++ }), ErrPeer},
		{"fewer than were asked for", copying(func(m *objects.Copies) { m.Copies[0].Count-- }), ErrPeer},
		{"nothing", copying(func(m *objects.Copies) { m.Copies, m.Leaves = nil, nil }), ErrPeer},
		{"in place of a leaf", copying(func(m *objects.Copies) {
			m.Copies, m.Leaves = []objects.Copy{{Count: m.Count() + uint64(len(m.Leaves))}}, nil
		}), merkle.ErrUnverified},
		{"one by one, all wrong", copying(func(m *objects.Copies) {
			count := m.Count() + uint64(len(m.Leaves))
			m.Copies, m.Leaves = nil, nil
			for at := range count {
				m.Copies = append(m.Copies, objects.Copy{At: at, Count: 1, From: 299 - at})
			}
		}), merkle.ErrUnverified},
		{"a leaf in another place", copying(func(m *objects.Copies) { m.Copies[0].At++ }), nil},
		{"another leaf", copying(func(m *objects.Copies) { m.Copies[0].Count--; m.Leaves = append(m.Leaves, merkle.Node{Size: 700}) }), merkle.ErrUnverified},
		{"a leaf of another size", copying(func(m *objects.Copies) {
			for i := range m.Leaves {
				m.Leaves[i].Size++
			}
		}), merkle.ErrUnverified},
		{"another node", copying(func(m *objects.Copies) {
			for i := range m.Nodes {
				m.Nodes[i].Hash[7] ^= 1
			}
			m.Copies[0].From++
		}), merkle.ErrUnverified},
		{"too many nodes", copying(func(m *objects.Copies) { m.Nodes = append(m.Nodes, merkle.Node{}) }), ErrPeer},
		{"an answer to nothing", copying(func(m *objects.Copies) { m.ID += 99 }), ErrPeer},
		{"copies that overlap", raw(objects.TypeCopies, func(ask objects.AskCopies) []byte {
			return objects.Copies{ID: ask.ID, Copies: []objects.Copy{{At: 0, Count: 9, From: 1}, {At: 8, Count: 9, From: 1}}}.Append(nil)
		}), objects.ErrMessage},
		{"no message", raw(objects.TypeCopies, func(objects.AskCopies) []byte { return []byte{1, 0xff} }), objects.ErrMessage},
		{"an answer of another kind", raw(objects.TypeLeaves, func(ask objects.AskCopies) []byte { return objects.Leaves{ID: ask.ID}.Append(nil) }), ErrPeer},
		{"silence", raw(99, func(objects.AskCopies) []byte { return nil }), ErrLost},
		{"one answer twice", func(l *liar, g *objectsServer, kind uint64, body []byte) error {
			answer := copying(func(*objects.Copies) {})
			if err := answer(l, g, kind, body); err != nil || kind != objects.TypeAskCopies {
				return err
			}
			return answer(l, g, kind, body)
		}, ErrPeer},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			core, into := versions(t, first, second, blocks(0, 299))
			_, other := versions(t, nil, nil)
			if _, err := read(t, other, core.key, blocks(0, 299), FetchOptions{}, core.serving(ServerOptions{})); err != nil {
				t.Fatal(err)
			}
			lying := func() *liar {
				return &liar{capable: true, knows: objects.KnowsCopies, onObjects: c.answer, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error { return l.honest(ch, r, nil) }}
			}
			options := FetchOptions{}
			if c.name == "silence" {
				options.Stall = shortStall
			}
			claim := secondOf(first, second)
			got, err := read(t, into, core.key, claim, options, core.lying(lying()))
			if err == nil && !bytes.Equal(got, bytes.Join(second, nil)) || err == nil && c.want != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("alone: %d bytes, %v, want %v", len(got), err, c.want)
			}
			got, err = read(t, other, core.key, claim, options, core.lying(lying()), core.serving(ServerOptions{}))
			if err != nil || !bytes.Equal(got, bytes.Join(second, nil)) {
				t.Errorf("beside a good peer: %d bytes, %v", len(got), err)
			}
		})
	}
}

// What makes no sense is refused, also what is held beyond the log, or under another fork.
func TestSenselessQuestionsAboutCopies(t *testing.T) {
	core, _ := versions(t, noise(1, 10), noise(1, 10))
	g, snapshot := givesOf(t, core)
	held := []objects.Span{{First: 0, Count: 10}}
	for name, c := range map[string]struct {
		ask  objects.AskCopies
		want error
	}{
		"sound":         {objects.AskCopies{AskLeaves: objects.AskLeaves{First: 10, Count: 10}, Held: held}, nil},
		"another fork":  {objects.AskCopies{AskLeaves: objects.AskLeaves{Fork: 1, First: 10, Count: 10}, Held: held}, merkle.ErrFork},
		"beyond":        {objects.AskCopies{AskLeaves: objects.AskLeaves{First: 10, Count: 11}, Held: held}, merkle.ErrInvalidRequest},
		"holds beyond":  {objects.AskCopies{AskLeaves: objects.AskLeaves{First: 10, Count: 10}, Held: []objects.Span{{First: 0, Count: 21}}}, merkle.ErrInvalidRequest},
		"a node beyond": {objects.AskCopies{AskLeaves: objects.AskLeaves{First: 10, Count: 10, Nodes: []uint64{63}}, Held: held}, merkle.ErrInvalidRequest},
	} {
		if _, err := g.copies(snapshot, c.ask); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
