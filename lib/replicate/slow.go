package replicate

import (
	"context"
	"time"
)

// A slow peer must not hold up a reader while there are others: the blocks that it owes are asked of them.

const (
	patienceForBlock = 2 * time.Second // for a block that the reader waits for
	maxSlow          = 3               // times a peer is passed over before it is asked only if there is no other
)

// waited is the block that the reader waits for.
type waited struct {
	block uint64
	since time.Time
}

// passSlow takes back the requests of a peer that holds up the reader, if another peer can be asked.
func (f *fetcher) passSlow(ctx context.Context, now time.Time) {
	block, waits := f.d.WaitsForBlock()
	switch {
	case !waits:
		f.waited = waited{}
	case f.waited.since.IsZero() || f.waited.block != block:
		f.waited = waited{block, now}
	case now.Sub(f.waited.since) > patienceForBlock:
		if s := f.owes(block); s != nil && f.another(ctx, s, block) {
			f.passOver(s)
			f.waited = waited{}
		}
	}
}

// owes returns the peer that was asked for a block.
func (f *fetcher) owes(block uint64) *session {
	for _, s := range f.sessions {
		for _, a := range s.requests {
			if a.request.Block != nil && a.request.Block.Index == block {
				return s
			}
		}
		for _, a := range s.questions {
			for _, span := range a.question.spans {
				if span.First <= block && block < span.First+span.Count {
					return s
				}
			}
		}
	}
	return nil
}

// another reports whether a peer other than s can be asked for a block.
func (f *fetcher) another(ctx context.Context, s *session, block uint64) bool {
	length, fork := f.d.Length()
	anchor := f.underWay.nodes.climb(ctx, f.d, 2*block, length).anchor
	for _, other := range f.sessions {
		if other != s && other.slow <= s.slow && other.mayHave(block, anchor, fork) && other.blocks.Has(block) && other.room() && !other.undecidedYet() {
			return true
		}
	}
	return false
}

// passOver takes back the blocks that a peer owes. Answers that it still gives are ignored.
func (f *fetcher) passOver(s *session) {
	for id, a := range s.requests {
		if a.request.Block == nil {
			continue
		}
		f.takeBack(a)
		delete(s.requests, id)
		if s.late == nil {
			s.late = map[uint64]bool{}
		}
		s.late[id] = true
		s.lateBlocks++
	}
	for id, a := range s.questions {
		f.takeBack(a)
		delete(s.questions, id)
		s.lateQuestions[id] = true
	}
	s.slow++
	s.atOnce = firstQuestion
}

// behind reports whether the peer was passed over and has not caught up yet, or was passed over too often.
func (s *session) behind() bool {
	return len(s.lateQuestions) > 0 || s.lateBlocks > 0 || s.slow >= maxSlow
}

// better reports whether s is the better peer to ask for a block.
func (s *session) better(than *session, block uint64) bool {
	switch {
	case s.blocks.Has(block) != than.blocks.Has(block):
		return s.blocks.Has(block)
	case s.behind() != than.behind():
		return !s.behind()
	}
	return s.owed() < than.owed()
}
