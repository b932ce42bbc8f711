package store

import "context"

func (s *Store) checkpointAfter(ctx context.Context, tx *Tx) {}
func (s *Store) longTail(tx *Tx) bool                        { return false }
func (s *Store) Checkpoint(ctx context.Context) error        { return nil }
