package replicate

import (
	"context"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/store"
)

// Examine looks at the heads that were seen of a core, and asks peers how their heads relate to the stored one. Every
// peer has to answer. A conflicting head is kept as seen.
func Examine(ctx context.Context, in *store.Store, key keys.Key, peers []Dialer, options FetchOptions) (hypercore.Diagnosis, error) {
	found, err := hypercore.Examine(ctx, in, key)
	if err != nil || len(peers) == 0 {
		return found, err
	}
	heads, common := make([]hypercore.Proved, len(peers)), make([]uint64, len(peers))
	for i, of := range peers {
		if heads[i], common[i], err = askCommon(ctx, found.View, of, options); err != nil {
			return found, err
		}
		if err := hypercore.Meet(ctx, in, heads[i], common[i]); err != nil {
			return found, err
		}
	}
	if found, err = hypercore.Examine(ctx, in, key); err != nil {
		return found, err
	}
	for i, proved := range heads {
		found.Compared(proved.Head, common[i])
	}
	return found, nil
}
