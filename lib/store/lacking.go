package store

import (
	"context"
	"errors"

	"hc/lib/store/derived"
	"hc/lib/store/packlog"
)

// MayLackHeads returns an error, which wraps ErrDamaged, where a place of the log is damaged in which a newer head of any
// core may have stood, as far as the log has been read: what Begin and View looked at. Who signs then may sign a length
// for the second time.
func (s *Store) MayLackHeads() error {
	for _, d := range s.log.Hidden() {
		return d
	}
	return nil
}

// recall has the log remember what was found before derived files went beyond it, where nobody scans any more.
func (s *Store) recall(a *derived.Applied) {
	for _, at := range a.Hidden {
		s.log.Recall(at)
	}
}

// giveUp leaves packs behind that are missing, or cannot be read at all.
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
