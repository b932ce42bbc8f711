package store

import (
	"context"
	"errors"

	"hc/lib/store/derived"
	"hc/lib/store/packlog"
)

// current returns the store as it is now, and a view of the log that says what of it is durable.
func (s *Store) current(ctx context.Context) (*state, packlog.View, error) {
	return s.currentFrom(ctx, nil)
}

// currentFrom is current for a caller that has just looked at the log, if at most new records came since.
func (s *Store) currentFrom(ctx context.Context, seen *packlog.View) (st *state, view packlog.View, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st = s.state
	if seen != nil && st != nil && st.closer == seen.Closer && seen.SamePacks(st.view) {
		view = *seen
	} else if view, err = s.log.View(ctx); err != nil {
		return nil, view, err
	}
	if st == nil || st.closer != view.Closer || !view.SamePacks(st.view) || s.outgrown(st) {
		s.state = nil
		if st, err = s.load(ctx, &view); err != nil {
			return nil, view, err
		}
	}
	if st.scanned.Less(view.Readable) {
		if err = st.extend(ctx, view); err != nil {
			s.state = nil
			return nil, view, err
		}
	}
	s.state = st
	return st, view, nil
}

// outgrown reports whether the tail is long, and another process has made a checkpoint that would shorten it.
func (s *Store) outgrown(st *state) bool {
	t := s.options.tuning
	if st.blocks < 2*t.blocks && st.replay.Bytes() < 2*t.bytes {
		return false
	}
	return st.derived.Applied.Position.Less(s.appliedPosition())
}

// load begins a state from the derived files. mu is held.
func (s *Store) load(ctx context.Context, view *packlog.View) (*state, error) {
	for try := 0; ; try++ {
		s.files.ForgetAll()
		a, d, err := s.openAppliedUnless(s.distrust, view.Current)
		if err != nil {
			return nil, err
		}
		if try > 0 || !a.Stale && !view.Readable.Less(a.Position) {
			st := newState(s.log, d, view.Closer, s.damaged)
			st.view = *view
			return st, nil
		}
		s.log.Reload() // another process has made a checkpoint, or rewritten packs, since we looked at the mark
		if *view, err = s.log.View(ctx); err != nil {
			return nil, err
		}
	}
}

// openApplied opens the derived files; it returns empty ones if they are damaged.
func (s *Store) openApplied() (*derived.Applied, *derived.Tables, error) {
	s.mu.Lock()
	distrust := s.distrust
	s.mu.Unlock()
	return s.openAppliedUnless(distrust, s.log.Current)
}

func (s *Store) openAppliedUnless(distrust bool, current func(packlog.Position) bool) (*derived.Applied, *derived.Tables, error) {
	for try := 0; ; try++ {
		a := &derived.Applied{}
		var err error
		if !distrust {
			if a, err = s.files.ReadApplied(current); err != nil {
				return nil, nil, err
			}
		}
		s.recall(a)
		d, err := derived.Open(s.files, a)
		switch {
		case !derived.IsFault(err):
			return a, d, err
		case try > 0: // nobody has replaced the file in the meantime
			distrust = true
		}
	}
}

// renew makes the next look at the store read everything again, because of an error from st. With distrust it does
// without the derived files if the error is their fault.
func (s *Store) renew(st *state, err error, distrust bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == st {
		s.state = nil
	}
	if distrust && derived.IsFault(err) {
		s.state, s.distrust = nil, true
	}
}

// retry calls fn again if it fails because files were replaced in the meantime, and finally without derived files.
func (s *Store) retry(ctx context.Context, fn func() (*state, error)) error {
	const times = 6
	for try := 1; ; try++ {
		st, err := fn()
		again := derived.IsFault(err) || errors.Is(err, packlog.ErrOvertaken) || errors.Is(err, packlog.ErrMoved)
		if !again || try == times || ctx.Err() != nil {
			return err
		}
		s.renew(st, err, try > times/2)
	}
}
