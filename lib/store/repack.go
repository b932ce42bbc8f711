package store

import (
	"context"
	"fmt"
)

// RepackOptions are options for Repack.
type RepackOptions struct {
	Cold     bool              // compress as well as possible: for data that is kept rather than rewritten
	Progress func(bytes int64) // as in GCOptions
}

// Repack rewrites all packs: without what is dead, as GC does, with runs compressed again, and with the runs of many
// short appends to one core joined. Blocks keep their leaf hashes. Otherwise it is like GC.
func (s *Store) Repack(ctx context.Context, options RepackOptions) (GCReport, error) {
	report, err := s.collect(ctx, GCOptions{All: true, Progress: options.Progress}, &options)
	if err != nil {
		return report, fmt.Errorf("repacking: %w", err)
	}
	return report, nil
}
