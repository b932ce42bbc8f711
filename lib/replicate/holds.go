package replicate

import (
	"context"
	"errors"

	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/proof"
	"hc/lib/store"
)

// Holds reports whether a store has everything that a claim asks for, at the version that it has or that ref pins. A nil
// store has nothing. For a part of a drive it reports true only if the store has the whole drive. A core that the store
// writes is always complete.
func Holds(ctx context.Context, in *store.Store, ref keys.Ref, claim proof.Claim) (bool, error) {
	if in == nil {
		return false, nil
	}
	view, err := in.View(ctx, ref.Key, false)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	length := view.Head().Length
	switch {
	case hypercore.Owned(in, ref.Key):
		return true, nil
	case length == 0 || ref.Pinned && ref.Length > length:
		return false, nil
	case claim.Kind == proof.KindHead:
		return true, nil
	case claim.Kind == proof.KindBlocks:
		to := length
		if claim.To != proof.Open {
			to = claim.To + 1
		}
		return holdsBlocks(ctx, view, claim.From, to)
	}
	all, err := holdsBlocks(ctx, view, 0, length)
	if err != nil || !all || !claim.OfDrive() {
		return all, err
	}
	return holdsBlobs(ctx, in, view)
}

func holdsBlocks(ctx context.Context, view *store.View, from, to uint64) (bool, error) {
	for from < to {
		start, end, ok, err := view.Have(ctx, from)
		if err != nil || !ok || start > from {
			return false, err
		}
		from = end
	}
	return true, nil
}

func holdsBlobs(ctx context.Context, in *store.Store, names *store.View) (bool, error) {
	header, err := names.Block(ctx, 0)
	if err != nil {
		return false, err
	}
	key, _, err := hyperdrive.BlobsCore(names.Key(), names.Manifest(), header)
	if err != nil {
		return true, nil // not a drive; no peer changes that
	}
	view, err := in.View(ctx, key, false)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return holdsBlocks(ctx, view, 0, view.Head().Length)
}
