package main

import (
	"context"
	"slices"

	"hc/lib/drive"
	"hc/lib/keys"
	"hc/lib/store"
)

// withBlobs returns the logs with the blobs of those that are drives behind them: without its blobs a drive is names of files
// that nobody can read. stored says that only what is here counts: who waits for a reader to have all cannot wait for what
// may come one day.
func withBlobs(ctx context.Context, of *store.Store, named []keys.Key, stored bool) []keys.Key {
	all := slices.Clone(named)
	for _, key := range named {
		names, err := of.View(ctx, key, false)
		if err != nil || names.Head().Length == 0 {
			continue
		}
		cores, err := drive.Cores(ctx, of, key)
		if err != nil { // a log of something else
			continue
		}
		for _, core := range cores {
			_, err := of.View(ctx, core, false)
			if !slices.Contains(all, core) && (err == nil || !stored) {
				all = append(all, core)
			}
		}
	}
	return all
}
