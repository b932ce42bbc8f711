package replicate

import (
	"errors"
	"fmt"
	"sync"

	"hc/lib/hash"
	"hc/lib/hypercore"
	"hc/lib/objects"
	"hc/lib/replicate/copies"
)

// A block that the server stores as a delta against another of the same core is sent as that to a reader that holds the other.

// baseFinder returns a function that finds the block with a leaf hash among those that a reader holds. The index is made
// when it is first called.
func (g *objectsServer) baseFinder(snapshot *hypercore.Snapshot, m objects.AskDeltas) func(hash.Digest) (uint64, bool) {
	var index *copies.Index
	return func(leaf hash.Digest) (uint64, bool) {
		if index == nil {
			index = g.indexOf(snapshot, m.Fork, m.Held, m.Spans[0].First, objects.MaxLeaves)
		}
		block, ok := index.Find(leaf)
		if !ok || !objects.Within(m.Held, block, 1) {
			return 0, false
		}
		node, err := snapshot.Node(g.conn.ctx, 2*block)
		return block, err == nil && node.Hash == leaf
	}
}

func (g *objectsServer) giveDeltas(snapshot *hypercore.Snapshot, m objects.AskDeltas) error {
	last := m.Held[len(m.Held)-1]
	if err := g.check(snapshot.Head(), m.Fork, last.First+last.Count, nil); err != nil {
		return err
	}
	return g.giveBlocks(snapshot, m.AskBlocks, &m)
}

// sendQuestion asks for leaf hashes or blocks, with the message that needs the fewest bytes in answer.
func (s *session) sendQuestion(m *question, id, fork uint64) error {
	ask := objects.AskLeaves{ID: id, Fork: fork, First: m.spans[0].First, Count: m.spans[0].Count, Nodes: m.Nodes}
	blocks := objects.AskBlocks{ID: id, Fork: fork, Prove: m.prove, Spans: m.spans, Nodes: m.Nodes}
	switch {
	case m.leaves && m.held != nil:
		return s.objects.Send(objects.TypeAskCopies, objects.AskCopies{AskLeaves: ask, Held: m.held}.Append(nil))
	case m.leaves:
		return s.objects.Send(objects.TypeAskLeaves, ask.Append(nil))
	case m.lent != nil:
		s.lent.tell(id, m.lent)
		return s.objects.Send(objects.TypeAskDeltas, objects.AskDeltas{AskBlocks: blocks, Maps: s.maps, Held: m.lent}.Append(nil))
	}
	return s.objects.Send(objects.TypeAskBlocks, blocks.Append(nil))
}

// errNoBase says that a block came as a delta against one that is not here, or not lent to the peer.
var errNoBase = errors.New("the base of a delta is not here")

// lendings are the held blocks that a peer was told about, for each question that it has not answered. Later questions may
// name other blocks, as the log grows and blocks arrive.
type lendings struct {
	mu   sync.Mutex
	told map[uint64][]objects.Span
}

func (l *lendings) tell(question uint64, held []objects.Span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told == nil {
		l.told = map[uint64][]objects.Span{}
	}
	l.told[question] = held
}

// answered returns the blocks named with a question, nil if there were none, and forgets them: a question has one answer.
func (l *lendings) answered(question uint64) []objects.Span {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.told[question]
	delete(l.told, question)
	return held
}

// lender returns the blocks that deltas of an answer may refer to, nil if the peer was told of none.
func (s *session) lender(answer uint64) objects.Lender {
	if held := s.lent.answered(answer); held != nil {
		return lender{s, held}
	}
	return nil
}

// lender gives the blocks that a peer was told about, and no others: a peer cannot find out whether another block is here.
type lender struct {
	session *session
	lent    []objects.Span
}

func (l lender) Held() []objects.Span { return l.lent }

func (l lender) Base(block uint64) ([]byte, error) {
	if !objects.Within(l.lent, block, 1) {
		return nil, errNoBase
	}
	data, err := l.session.heldBlock(l.session.ctx, block)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoBase, err)
	}
	return data, nil
}

func (l lender) Length(block uint64) (int, error) {
	n, err := l.session.heldLength(l.session.ctx, block)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errNoBase, err)
	}
	return n, nil
}

// refuseDeltas reports whether an answer cannot be taken in because of its deltas or maps; its blocks are then asked for
// again. A peer that sends a map unasked is dropped. If the base of a delta is not here, or was not lent, the peer is asked
// for no more deltas. (If nothing was lent, neither is unpacked.)
func (f *fetcher) refuseDeltas(s *session, a *asked, g *objectsAnswer) bool {
	switch {
	case g.maps && !s.maps:
		f.takeBack(a)
		f.drop(s, fmt.Errorf("%w: its answer %d has a map, which was not asked for", ErrPeer, g.id))
	case g.noBase:
		s.deltas = false
		f.takeBack(a)
	default:
		return false
	}
	return true
}
