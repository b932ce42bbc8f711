package store

import (
	"context"
	"errors"

	"hc/lib/store/derived"
	"hc/lib/store/packlog"
)

// MayLackHeads returns an error that wraps ErrDamaged if a newer head of any core may have been in a damaged place of
// the log, as far as Begin and View have read it. A signature made then may be the second one for its length.
func (s *Store) MayLackHeads() error {
	for _, d := range s.log.Hidden() {
		return d
	}
	return nil
}

// recall reminds the log of damage found before derived files went beyond it: nobody scans there any more.
func (s *Store) recall(a *derived.Applied) {
	for _, at := range a.Hidden {
		s.log.Recall(at)
	}
}

// giveUp leaves behind packs that are missing, or cannot be read at all.
func (s *Store) giveUp(ctx context.Context) error {
	lock, err := s.lockCheckpoint(ctx, false)
	if err != nil {
		return err
	}
	use, err := s.log.Lock(ctx, packlog.LockUse, false, lock)
	if err != nil {
		return errors.Join(err, lock.Unlock())
	}
	err = s.log.GiveUp(ctx)
	s.mu.Lock()
	s.state = nil
	s.mu.Unlock()
	return errors.Join(err, use.Unlock(), lock.Unlock())
}
