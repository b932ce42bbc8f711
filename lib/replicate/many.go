package replicate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hc/lib/hypercore"
	"hc/lib/objects"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
)

// Many blocks at once are asked of peers that have a channel for it.

// question is one question to an hc peer, usually about many blocks.
type question struct {
	leaves bool           // only leaf hashes
	runs   bool           // only where runs end; about no block
	held   []objects.Span // with leaves: those of blocks equal to one of these may be left out
	lent   []objects.Span // without leaves: blocks may come as deltas against these
	prove  bool           // the leaf hashes are not known
	spans  []objects.Span
	hypercore.Needs
}

// Sizes of a question, in bytes of blocks.
const (
	firstQuestion = 256 << 10      // the first one to a peer; it doubles with each answer
	mostQuestion  = objects.MaxRaw // the largest, by the bytes expected
	fillPart      = 6              // a question asks for 1/6 less than may come: blocks that do not fit are asked for again
	fewQuestions  = 8              // under way until they have grown to mostQuestion; more if they are for few bytes

	longerPart = 32 // once a peer gave less than it was asked for, the next question grows by 1/32 only
)

// each calls do for each block.
func (m *question) each(do func(block uint64)) {
	for _, span := range m.spans {
		for block := span.First; block < span.First+span.Count; block++ {
			do(block)
		}
	}
}

func (m *question) count() (count uint64) {
	for _, span := range m.spans {
		count += span.Count
	}
	return count
}

// neighbours returns the block number at of those asked for, and how many neighbouring blocks are asked for from it on.
func (m *question) neighbours(at int) (first uint64, count int) {
	for _, span := range m.spans {
		if at < int(span.Count) {
			return span.First + uint64(at), int(span.Count) - at
		}
		at -= int(span.Count)
	}
	return 0, 0
}

// add adds the next block.
func (m *question) add(block uint64) {
	if last := len(m.spans) - 1; last >= 0 && m.spans[last].First+m.spans[last].Count == block {
		m.spans[last].Count++
		return
	}
	m.spans = append(m.spans, objects.Span{First: block, Count: 1})
}

func (m *question) end() uint64 {
	last := m.spans[len(m.spans)-1]
	return last.First + last.Count
}

// givesMany reports whether the peer can be asked for many blocks of our log at once.
func (s *session) givesMany(length uint64) bool {
	return s.objects != nil && s.remote.Length >= length
}

// undecidedYet reports whether the peer may still say whether it has the channel for many blocks.
func (s *session) undecidedYet() bool {
	return !s.undecided.IsZero() && time.Now().Before(s.undecided)
}

// sizeOf returns how many bytes a block is likely to have, rather too many than too few.
func (f *fetcher) sizeOf(block, length uint64) int {
	if h, ok := f.leaves.known[block]; ok {
		return int(min(h.size, messages.MaxBlock))
	}
	return int(min(max(f.d.ByteLength()/max(length, 1), f.recent), messages.MaxBlock))
}

// usuallyOf returns how many bytes a block is likely to have on average, for a sum over many blocks.
func (f *fetcher) usuallyOf(block, length uint64) int {
	if h, ok := f.leaves.known[block]; ok {
		return int(min(h.size, messages.MaxBlock))
	}
	return int(min(max(f.d.ByteLength()/max(length, 1), f.usual), messages.MaxBlock))
}

// askMany asks a peer for a block and those after it. more is false if the window is full.
func (f *fetcher) askMany(ctx context.Context, s *session, block, limit uint64) (more bool, err error) {
	length, _ := f.d.Length()
	most := min(s.atOnce, f.options.Window/4)
	if f.checks(s, block, limit, length) {
		known, err := f.knowsLeaf(ctx, block)
		switch {
		case err != nil:
			return false, err
		case !known:
			return f.askLeaves(ctx, s, block, limit, length)
		case f.leaves.known[block].here:
			f.again(block)
			return true, nil
		}
	}
	if !f.fitsWindow(block, max(most, f.sizeOf(block, length))) {
		f.again(block)
		return false, nil
	}
	if err := f.askRuns(s, block, f.wantedFrom(block, limit), length); err != nil {
		return false, err
	}
	m, bytes, err := f.makeQuestion(ctx, s, block, limit, most)
	if err != nil {
		return false, err
	}
	if m.prove {
		m.Needs = f.d.Needs(ctx, m.spans[0].First, m.end(), f.expects)
	}
	if s.deltas {
		if m.lent, err = f.heldFor(ctx, s, length); err != nil {
			return false, err
		}
	}
	return true, f.sendMany(s, m, min(bytes, max(most, f.sizeOf(block, length))))
}

// makeQuestion makes a question for a block and as many of those after it as are likely to fit into an answer of most bytes.
// It returns how many bytes the blocks may have.
func (f *fetcher) makeQuestion(ctx context.Context, s *session, block, limit uint64, most int) (m *question, bytes int, err error) {
	length, fork := f.d.Length()
	_, known := f.leaves.known[block]
	m = &question{prove: !known}
	m.add(block)
	var here []uint64 // blocks in between that are here already
	likely, room := f.usuallyOf, most-most/fillPart
	if s.runs.asked && !s.runs.knows(block) { // until run ends are known, ask for less: a question may end inside a run, and cut it
		likely, room = f.sizeOf, most
	}
	bytes = f.sizeOf(block, length)
	fill := likely(block, length)
	for {
		next, ok, err := f.nextBlock(ctx, limit, length)
		if err != nil {
			return nil, 0, err
		}
		if !ok {
			break
		}
		h, nextKnown := f.leaves.known[next]
		if known && h.here && len(here) < objects.MaxSpans {
			here = append(here, next)
			continue
		}
		fits := fill+likely(next, length) <= room && m.count() < objects.MaxBlocks && len(m.spans) < objects.MaxSpans
		follows := nextKnown == known && !h.here && (next == m.end() || known && next > m.end()) // spans ascend
		if !fits || !follows || !s.mayHave(next, 2*next, fork) || !s.blocks.Has(next) {
			f.again(next)
			if next == m.end() {
				for _, block := range slices.Backward(m.cutToRuns(&s.runs)) {
					f.again(block)
					bytes -= f.sizeOf(block, length)
				}
			}
			break
		}
		m.add(next)
		bytes, fill = bytes+f.sizeOf(next, length), fill+likely(next, length)
	}
	for _, block := range here {
		f.again(block)
	}
	return m, bytes, nil
}

// askOne asks a peer for one block.
func (f *fetcher) askOne(ctx context.Context, s *session, block, length uint64) error {
	_, known := f.leaves.known[block]
	m := &question{prove: !known}
	m.add(block)
	if m.prove {
		m.Needs = f.d.Needs(ctx, block, block+1, f.expects)
	}
	return f.sendMany(s, m, f.sizeOf(block, length))
}

func (f *fetcher) expects(node uint64) bool { return f.underWay.nodes[node] > 0 }

// sendMany sends a question, and counts on the nodes that it will bring.
func (f *fetcher) sendMany(s *session, m *question, bytes int) error {
	_, fork := f.d.Length()
	a := &asked{question: m, session: s, bytes: bytes}
	a.request.Fork = fork
	whole := s.fits == 0 || bytes <= s.fits // else a shorter answer may not bring all nodes: other requests ask for them, too
	for _, node := range m.Brings {
		if whole && (!m.leaves || node&1 == 1) { // a leaf without its block is not certain
			a.brings = append(a.brings, node)
		}
	}
	f.underWay.add(a)
	id := s.newQuestion(a)
	return ignoreClosed(s.sendQuestion(m, id, fork))
}

// newQuestion records a question under a new id, and returns the id.
func (s *session) newQuestion(a *asked) uint64 {
	if s.owed() == 0 {
		s.count(time.Now())
	}
	s.questionID++
	a.at = time.Now()
	s.questions[s.questionID] = a
	return s.questionID
}

// owed returns how many answers the peer owes.
func (s *session) owed() int { return len(s.requests) + len(s.questions) }

// decide takes in the peer's channel for many blocks; nil if it has none, or no longer.
func (f *fetcher) decide(s *session, channel *protomux.Channel) {
	s.objects, s.undecided = channel, time.Time{}
	if channel == nil {
		f.takeBackQuestions(s)
	}
}

func (f *fetcher) takeBackQuestions(s *session) {
	for _, a := range s.questions {
		f.takeBack(a)
	}
	clear(s.questions)
}

// handleAnswer takes in an answer from an hc peer.
func (f *fetcher) handleAnswer(ctx context.Context, s *session, g *objectsAnswer) error {
	if g.err != nil {
		f.drop(s, g.err)
		return f.unpark(ctx)
	}
	if s.objects == nil { // sent before the channel was closed
		return nil
	}
	a := s.questions[g.id]
	if a == nil && s.lateQuestions[g.id] {
		delete(s.lateQuestions, g.id)
		return nil
	}
	if a == nil {
		f.drop(s, fmt.Errorf("%w: it sent answer %d, which was not asked for", ErrPeer, g.id))
		return f.unpark(ctx)
	}
	delete(s.questions, g.id)
	s.told = true
	s.timed(a)
	if a.question.runs || g.runs != nil {
		f.heardRuns(s, a, g)
		return f.unpark(ctx)
	}
	if g.none {
		f.takeBack(a)
		if g.reason == objects.ReasonNotHere {
			s.refuse(a.question.spans[0].First)
		} else {
			s.objects.Close()
			f.decide(s, nil) // it may answer the rest on the core's own channel
		}
		return f.unpark(ctx)
	}
	if f.refuseDeltas(s, a, g) {
		return f.unpark(ctx)
	}
	if f.fill(ctx, a, g) {
		return f.unpark(ctx)
	}
	if err := g.complete(a.question); err != nil {
		f.takeBack(a)
		f.drop(s, err)
		return f.unpark(ctx)
	}
	if !f.ready(ctx, a) {
		f.park(parked{answer: g, asked: a})
		return f.unpark(ctx)
	}
	if err := f.applyAnswer(ctx, a, g); err != nil {
		return err
	}
	return f.unpark(ctx)
}

// ready reports whether every node that the answer builds on is here.
func (f *fetcher) ready(ctx context.Context, a *asked) bool {
	return !slices.ContainsFunc(a.question.Anchors, func(n uint64) bool { return !f.d.Usable(ctx, n) })
}
