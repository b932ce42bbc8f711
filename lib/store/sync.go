package store

import (
	"context"
	"errors"

	"hc/lib/keys"
)

// Sync makes everything that the store has of a core survive a power cut, if a transaction that was not durable left
// that to the system. It does nothing if that is so already, or if the core is not here.
func (s *Store) Sync(ctx context.Context, key keys.Key) error {
	now, err := s.View(ctx, key, false)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	synced, err := s.View(ctx, key, true)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err == nil && synced.state == now.state && synced.seq == now.seq {
		return nil
	}
	tx, err := s.Begin(ctx, key, TxOptions{Durable: true})
	if err != nil {
		return err
	}
	defer tx.Abort()
	return tx.Commit(ctx, nil)
}
