package replicate

import (
	"context"
	"time"
)

// A peer that is slow must not hold up a reader while others are there: what it owes is asked of them.

const (
	patienceForBlock = 2 * time.Second // for one that the reader stands before
	maxSlow          = 3               // times that a peer is passed over, before it is asked only where there is no other
)

// waited is the block that the reader stands before.
type waited struct {
	block uint64
	since time.Time
}

// passSlow takes back what a peer owes that holds up the reader, where another one can be asked.
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

// another reports whether a peer beside s can be asked for a block.
func (f *fetcher) another(ctx context.Context, s *session, block uint64) bool {
	length, fork := f.d.Length()
	anchor := f.expected.climb(ctx, f.d, 2*block, length).anchor
	for _, other := range f.sessions {
		if other != s && other.slow <= s.slow && other.mayHave(block, anchor, fork) && other.blocks.Has(block) && other.room() && !other.undecidedYet() {
			return true
		}
	}
	return false
}

// passOver takes back the blocks that a peer owes. Its answers are too late then.
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

// behind reports whether the peer was passed over and has not caught up, or was so too often.
func (s *session) behind() bool {
	return len(s.lateQuestions) > 0 || s.lateBlocks > 0 || s.slow >= maxSlow
}

// better reports whether a block is rather asked of s than of another peer.
func (s *session) better(than *session, block uint64) bool {
	switch {
	case s.blocks.Has(block) != than.blocks.Has(block):
		return s.blocks.Has(block)
	case s.behind() != than.behind():
		return !s.behind()
	}
	return s.owed() < than.owed()
}
