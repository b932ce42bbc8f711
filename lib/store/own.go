package store

import (
	"context"

	"hc/lib/store/commits"
)

// mostLearnt is how many bytes of records, without payloads, a commit takes into the state right away, whether or not
// anybody looks at them later.
const mostLearnt = 1 << 20

// learnOwn takes what a transaction has just committed into the state, if it follows directly on what is there, so that
// nobody has to read it back. The last record is the transaction's head.
func (s *Store) learnOwn(ctx context.Context, wrote *commits.Written) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil || wrote.Empty() || wrote.Bytes > mostLearnt || wrote.First != s.state.scanned {
		return // it is read when somebody looks
	}
	if err := s.state.learn(ctx, wrote); err != nil {
		s.state = nil
	}
}

func (st *state) learn(ctx context.Context, wrote *commits.Written) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	view := st.view
	view.Readable = wrote.End
	if err := st.replay.TakeOwn(ctx, view, wrote, func(c *commits.Commit) error { return st.apply(ctx, c) }); err != nil {
		return err
	}
	st.scanned = wrote.End
	return nil
}
