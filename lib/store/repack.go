package store

import (
	"context"
	"fmt"
)

// RepackOptions are for Repack.
type RepackOptions struct {
	Cold     bool              // compress as well as can be, for what is kept rather than written
	Progress func(bytes int64) // as of GCOptions
}

// Repack writes all packs anew: without what is dead, as GC does, with runs compressed again, and with those of many short
// appends to one core joined. Blocks keep their leaf hashes. For the rest it is as GC.
func (s *Store) Repack(ctx context.Context, options RepackOptions) (GCReport, error) {
	report, err := s.collect(ctx, GCOptions{All: true, Progress: options.Progress}, &options)
	if err != nil {
		return report, fmt.Errorf("repacking: %w", err)
	}
	return report, nil
}
