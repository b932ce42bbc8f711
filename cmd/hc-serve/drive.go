package main

import (
	"context"
	"errors"
	"slices"

	"hc/lib/drive"
	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/replicate"
	"hc/lib/store"
)

// beside returns the blobs of a drive whose names a mirror accepts; known is false until its header is here.
func beside(ctx context.Context, of *store.Store, names keys.Key) (blobs []keys.Key, known bool) {
	view, err := of.View(ctx, names, false)
	if err != nil || view.Head().Length == 0 {
		return nil, false
	}
	cores, err := drive.Cores(ctx, of, names)
	if errors.Is(err, store.ErrBlockMissing) {
		return nil, false
	}
	if err != nil { // a log of something else
		return nil, true
	}
	return cores[1:], true
}

// withBlobs returns the logs, followed by the blobs of those that are drives: without its blobs a drive is names of files
// that nobody can read. stored says that only blobs that are here count: a wait for a reader to have everything must not
// include what may come one day.
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

// signsToo returns a secret key that was found for another core and also signs this one: that of a drive's names, which may be in a
// file that names no other core.
func signsToo(ctx context.Context, of *store.Store, key keys.Key, found map[keys.Key]keys.Secret) (keys.Secret, bool) {
	for _, secret := range found {
		if hypercore.CheckSecret(ctx, of, key, secret) == nil {
			return secret, true
		}
	}
	return keys.Secret{}, false
}

// pushDrives pushes the logs that are named, and of a drive both together.
func (s serving) pushDrives(ctx context.Context, to replicate.Dialer, options replicate.PushOptions) error {
	blobs := map[keys.Key]keys.Key{} // by names
	var isBlobs []keys.Key
	for _, key := range s.named {
		if cores, known := beside(ctx, s.of, key); known && len(cores) > 0 && slices.Contains(s.named, cores[0]) {
			blobs[key] = cores[0]
			isBlobs = append(isBlobs, cores[0])
		}
	}
	for _, key := range s.named {
		if slices.Contains(isBlobs, key) {
			continue
		}
		push := func() error { return s.server.Push(ctx, to, []keys.Key{key}, options) }
		if other, ok := blobs[key]; ok {
			push = func() error { return s.server.PushDrive(ctx, to, key, other, options) }
		}
		if err := push(); err != nil {
			return err
		}
	}
	return nil
}
