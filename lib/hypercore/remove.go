package hypercore

import (
	"context"
	"errors"

	"hc/lib/keys"
	"hc/lib/store"
)

// Drop forgets a core with everything that the store has of it, durably; its secret key and its names stay.
// store.ErrLocked while a process writes to it. store.GC reclaims the space.
func Drop(ctx context.Context, in *store.Store, key keys.Key) error {
	return byWhom(key, again(func() error { return in.Drop(ctx, key) }))
}

// byWhom names the holder of the core's lock.
func byWhom(key keys.Key, err error) error {
	if errors.Is(err, store.ErrLocked) {
		return lockedBy(key.String(), err)
	}
	return err
}

// Clear forgets the blocks first … end-1 of a core, durably, and returns how many of them the store held. The other
// blocks can be proved as before, and the cleared ones downloaded again.
func Clear(ctx context.Context, in *store.Store, key keys.Key, first, end uint64) (blocks uint64, err error) {
	err = again(func() (err error) {
		if blocks, err = Held(ctx, in, key, first, end); err != nil {
			return err
		}
		return in.Clear(ctx, key, first, end)
	})
	return blocks, byWhom(key, err)
}

// Held returns how many of the blocks first … end-1 of a core the store holds.
func Held(ctx context.Context, in *store.Store, key keys.Key, first, end uint64) (blocks uint64, err error) {
	view, err := in.View(ctx, key, false)
	if err != nil {
		return 0, err
	}
	for first < end {
		from, to, ok, err := view.Have(ctx, first)
		if err != nil || !ok || from >= end {
			return blocks, err
		}
		blocks += min(to, end) - from
		first = to
	}
	return blocks, nil
}
