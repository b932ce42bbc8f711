package main

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/drive"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/replicate"
	"hc/lib/store"
)

// fetch gets blocks that the repair could not find back from the peers, or counts them.
func (r *fsckRun) fetch(ctx context.Context, checker *store.Checker) error {
	for _, hurt := range checker.CoresHurt() {
		for _, part := range hurt.Parts {
			if err := r.fetchPart(ctx, checker.Store(), hurt.Key, part); err != nil {
				return err
			}
			if part.Beyond && len(r.peers) > 0 {
				if err := r.fetchBlobs(ctx, checker.Store(), hurt.Key); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// fetchBlobs gets back the end of a drive's blobs. The store may know their key only from the names.
func (r *fsckRun) fetchBlobs(ctx context.Context, in *store.Store, names keys.Key) error {
	blobs, err := blobsToAsk(ctx, in, names)
	switch {
	case errors.Is(err, hyperdrive.ErrNotDrive), errors.Is(err, hyperdrive.ErrNoBlobs), errors.Is(err, store.ErrNotFound):
		return nil // there are none, or nobody has the names
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		r.deaf(fmt.Errorf("looking for the blobs of drive %v, which no peer was asked for: %w", names, err))
		return nil
	}
	length := uint64(0)
	view, err := in.View(ctx, blobs, false)
	switch {
	case err == nil:
		length = view.Head().Length
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	return r.fetchPart(ctx, in, blobs, store.BlockRange{First: length, End: length, Beyond: true})
}

// blobsToAsk returns the key of a drive's blobs core; where no peer had the names' first block, the one that follows from their own.
func blobsToAsk(ctx context.Context, in *store.Store, names keys.Key) (blobs keys.Key, err error) {
	blobs, err = drive.BlobsKey(ctx, in, names)
	if !errors.Is(err, store.ErrBlockMissing) {
		return blobs, err
	}
	view, err := in.View(ctx, names, false)
	if err != nil {
		return blobs, err
	}
	_, blobs, err = hyperdrive.BlobsManifest(names, view.Manifest())
	return blobs, err
}

func (r *fsckRun) fetchPart(ctx context.Context, in *store.Store, key keys.Key, part store.BlockRange) error {
	if len(r.peers) == 0 {
		r.leave(in, key, part)
		return nil
	}
	if part.Beyond {
		if r.asked[key] {
			return nil
		}
		r.asked[key] = true
	}
	away := false
	told, err := replicate.Restore(ctx, in, key, part, r.peers, replicate.FetchOptions{
		Dropped: func(_ string, reason error) {
			away = away || !isAnswer(reason)
			r.std.Log.Warn("lost a peer", "reason", reason)
		},
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && part.First < part.End {
		missing, viewErr := missing(ctx, in, key, part)
		if viewErr != nil {
			return viewErr
		}
		r.lost += missing
		r.away = r.away || away || !isAnswer(err)
		if missing == 0 && isAnswer(err) { // all of it is here, and the check that follows says whether it is whole
			err = nil
		}
	}
	if err != nil {
		r.std.Warnf("%v", err)
		r.fetchErr = errors.Join(r.fetchErr, err)
	}
	for _, t := range told {
		r.tell(key, t)
	}
	if part.Beyond && err != nil && !errors.Is(err, proof.ErrPartial) { // a peer that lacks blocks has sent its head
		r.unheard = true
	}
	return nil
}

// missing counts the blocks of a part that the store does not hold now: some may have come, or have been here all along.
func missing(ctx context.Context, in *store.Store, key keys.Key, part store.BlockRange) (blocks uint64, err error) {
	blocks = part.End - part.First
	view, err := in.View(ctx, key, false)
	if errors.Is(err, store.ErrNotFound) {
		return blocks, nil
	}
	for at := part.First; err == nil && at < part.End; {
		first, end, ok, haveErr := view.Have(ctx, at)
		if haveErr != nil || !ok || first >= part.End {
			return blocks, haveErr
		}
		blocks -= min(end, part.End) - first
		at = end
	}
	return blocks, err
}

// isAnswer reports whether an error says what a peer has, or that it is not to be believed, rather than that it could not be asked.
func isAnswer(err error) bool {
	for _, answer := range []error{proof.ErrPartial, proof.ErrBlockMissing, replicate.ErrNotOffered, merkle.ErrUnverified, keys.ErrSignature, keys.ErrManifest} {
		if errors.Is(err, answer) {
			return true
		}
	}
	var seen *hypercore.SeenError
	return errors.As(err, &seen)
}

// leave reports what no peer was asked for.
func (r *fsckRun) leave(in *store.Store, key keys.Key, part store.BlockRange) {
	if n := part.End - part.First; n > 0 {
		r.lost += n
		r.std.Warnf("lost: 'hc-fetch %v --blocks %d-%d --peer ADDR > /dev/null' brings the blocks back", key, part.First, part.End-1)
	}
	if _, err := in.Secret(key); part.Beyond && !errors.Is(err, store.ErrNotFound) {
		r.unasked = true
		r.std.Warnf("log %v has %s, and may have had more: append to it with --peer, which asks for them first", key, plural(int(part.First), "block"))
	}
}

// tell reports how much a peer has of a log whose end may be lost here: the user knows which of the peers may lag.
func (r *fsckRun) tell(key keys.Key, t replicate.Told) {
	switch {
	case !t.Heard():
		r.deaf(fmt.Errorf("asking %s how much it has of log %v: %w", t.Peer.Name, key, t.Err))
	case t.Proved.Head.Length == 0:
		r.std.Notef("%s has nothing of log %v", t.Peer.Name, key)
	default:
		r.std.Notef("%s has %s of log %v", t.Peer.Name, plural(int(t.Proved.Head.Length), "block"), key)
	}
}

// deaf notes that it is not known what a peer has. There is a warning for each; the first one decides how the run ends.
func (r *fsckRun) deaf(err error) {
	r.unheard = true
	r.std.Warnf("%v", err)
	if r.fetchErr == nil {
		r.fetchErr = err
	}
}
