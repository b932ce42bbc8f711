package replicate

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/store"
)

// Questions about a core's head, by its owner or by a reader that follows a fork. They fetch no blocks, or a few.

// At returns a peer that listens on a TCP address.
func At(address string) Dialer {
	return Dialer{Name: address, Dial: func(ctx context.Context) (peer.Conn, error) { return peer.Dial(ctx, address) }}
}

// reading fetches for as long as read is reading from the download.
func reading(ctx context.Context, d *hypercore.Download, peers []Dialer, options FetchOptions, read func(ctx context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var fetching sync.WaitGroup
	var fetchErr error
	fetching.Go(func() { fetchErr = Fetch(ctx, d, peers, options) })
	readErr := read(ctx)
	stop()
	fetching.Wait()
	return worse(readErr, fetchErr)
}

// aboutHead asks peers for a core's newest head, and lets read ask for tree nodes. It stores nothing.
func aboutHead(ctx context.Context, key keys.Key, peers []Dialer, options FetchOptions, read func(ctx context.Context, d *hypercore.Download) error) error {
	d, err := hypercore.NewDownload(ctx, key, hypercore.DownloadOptions{})
	if err != nil {
		return err
	}
	options.Claim, options.Live = proof.Claim{Kind: proof.KindHead}, false
	return reading(ctx, d, peers, options, func(ctx context.Context) error {
		if _, err := d.Head(ctx); err != nil {
			return err
		}
		return read(ctx, d)
	})
}

// AskHead returns a peer's newest head, verified; its length is 0 if nothing was signed yet.
func AskHead(ctx context.Context, key keys.Key, of Dialer, options FetchOptions) (proved hypercore.Proved, err error) {
	err = aboutHead(ctx, key, []Dialer{of}, options, func(_ context.Context, d *hypercore.Download) error {
		proved = d.Proved()
		return nil
	})
	return proved, err
}

// askCommon returns a peer's newest head, and how many blocks its log and that of a view share, from the first one on.
func askCommon(ctx context.Context, view *store.View, of Dialer, options FetchOptions) (proved hypercore.Proved, common uint64, err error) {
	err = aboutHead(ctx, view.Key(), []Dialer{of}, options, func(ctx context.Context, d *hypercore.Download) error {
		proved = d.Proved()
		common, err = hypercore.Common(ctx, view, proved.Head.Length, d.Hash)
		return err
	})
	return proved, common, err
}

// AskRoots returns the roots of a core's tree at a length, with certain sizes, as peers prove them against their newest
// head. Someone who has the roots of a later length can see whether they belong to the same log.
func AskRoots(ctx context.Context, key keys.Key, length uint64, peers []Dialer, options FetchOptions) (roots []merkle.Node, err error) {
	err = aboutHead(ctx, key, peers, options, func(ctx context.Context, d *hypercore.Download) error {
		if has, _ := d.Length(); has < length {
			return fmt.Errorf("%w: the peers have %d blocks of core %v, not %d", proof.ErrPartial, has, key, length)
		}
		roots, err = merkle.RootsFrom(ctx, d, length)
		return err
	})
	return roots, err
}

// Adopted says how a store's copy of a core changed: it was extended from Before to After or, for a higher fork, cut back
// to Common blocks, and is now another log.
type Adopted struct {
	Before, After store.Head
	Common        uint64
}

// Adopt brings the store's copy of a core that it writes to the newest head of the peers, without its blocks: to a longer
// head that extends it, or to one of a higher fork. Heads seen of either are settled. The error is a *hypercore.SeenError if
// the peers have another history of the same fork.
func Adopt(ctx context.Context, in *store.Store, key keys.Key, peers []Dialer, options FetchOptions) (adopted Adopted, err error) {
	view, err := in.View(ctx, key, false)
	if err != nil {
		return adopted, err
	}
	from, best, err := newestOf(ctx, key, peers, options)
	if err != nil {
		return adopted, err
	}
	return adoptFrom(ctx, in, view, from, best, options)
}

// adoptFrom is Adopt, from a peer whose newest head is known.
func adoptFrom(ctx context.Context, in *store.Store, view *store.View, from Dialer, best hypercore.Proved, options FetchOptions) (adopted Adopted, err error) {
	key := view.Key()
	if here := view.Head(); best.Head.Fork > here.Fork && here.Length > 0 {
		adopted, err = replace(ctx, in, view, from, options)
	} else {
		adopted, err = extend(ctx, in, key, []Dialer{from}, options)
	}
	if err != nil {
		return adopted, err
	}
	_, err = hypercore.Settle(ctx, in, key)
	return adopted, err
}

// extend takes a longer head, and the nodes that show whether heads seen earlier belong to the same log.
func extend(ctx context.Context, in *store.Store, key keys.Key, peers []Dialer, options FetchOptions) (adopted Adopted, err error) {
	d, err := hypercore.NewDownload(ctx, key, hypercore.DownloadOptions{Store: in, Sync: true, Adopt: true})
	if err != nil {
		return adopted, err
	}
	adopted.Before = d.Proved().Head
	seen, err := in.SeenHeads(ctx, key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return adopted, err
	}
	options.Claim, options.Live = proof.Claim{Kind: proof.KindHead}, false
	err = reading(ctx, d, peers, options, func(ctx context.Context) error {
		if _, err := d.Head(ctx); err != nil {
			return err
		}
		for _, head := range seen {
			if err := wantRoots(ctx, d, head); err != nil {
				return err
			}
		}
		return nil
	})
	adopted.After, adopted.Common = d.Proved().Head, adopted.Before.Length
	return adopted, err
}

// wantRoots asks for the roots of an earlier head. It is no error if no peer has them.
func wantRoots(ctx context.Context, d *hypercore.Download, head store.Head) error {
	if length, fork := d.Length(); head.Fork != fork || head.Length > length {
		return nil
	}
	for _, index := range merkle.FullRoots(head.Length) {
		if _, err := d.Hash(ctx, index); err != nil && !errors.Is(err, proof.ErrPartial) {
			return err
		}
	}
	return nil
}

// FollowFork replaces the store's copy of a core by that of a higher fork, if one of the peers has one. History is cut back
// to the blocks that both share, and those after them are left to be fetched. If no peer has a higher fork, or the store
// writes the core, nothing changes.
func FollowFork(ctx context.Context, in *store.Store, key keys.Key, peers []Dialer, options FetchOptions) (adopted Adopted, err error) {
	if hypercore.Owned(in, key) {
		return adopted, nil
	}
	view, err := in.View(ctx, key, false)
	if errors.Is(err, store.ErrNotFound) {
		return adopted, nil
	}
	if err != nil {
		return adopted, err
	}
	from, best, err := newestOf(ctx, key, peers, options)
	if err != nil || best.Head.Fork <= view.Head().Fork || view.Head().Length == 0 {
		return adopted, err
	}
	return replace(ctx, in, view, from, options)
}

// replace switches to a peer's log, which is of a higher fork.
func replace(ctx context.Context, in *store.Store, view *store.View, from Dialer, options FetchOptions) (adopted Adopted, err error) {
	found, common, err := askCommon(ctx, view, from, options)
	if err != nil {
		return adopted, err
	}
	if found.Head.Fork <= view.Head().Fork {
		return adopted, fmt.Errorf("%w: %s has gone back to fork %d", ErrPeer, from.Name, found.Head.Fork)
	}
	adopted = Adopted{Before: view.Head(), After: found.Head, Common: common}
	return adopted, hypercore.Follow(ctx, in, view, found, common)
}

// Told is what one peer says of a core.
type Told struct {
	Peer   Dialer
	Proved hypercore.Proved // its newest head; of length 0 if nothing was signed
	Err    error            // why it did not answer; ErrNotOffered: it does not have the core
}

// Heard reports whether the peer has said what it has of the core, even if that is nothing.
func (t Told) Heard() bool { return t.Err == nil || errors.Is(t.Err, ErrNotOffered) }

// askAll asks each peer for its head.
func askAll(ctx context.Context, key keys.Key, peers []Dialer, options FetchOptions) (all []Told) {
	for _, of := range peers {
		proved, err := AskHead(ctx, key, of, options)
		all = append(all, Told{of, proved, err})
	}
	return all
}

// newestOf asks each peer for its head, and returns the longest of the highest fork. It fails only if no peer can be asked.
func newestOf(ctx context.Context, key keys.Key, peers []Dialer, options FetchOptions) (from Dialer, best hypercore.Proved, err error) {
	return newest(askAll(ctx, key, peers, options))
}

func newest(all []Told) (from Dialer, best hypercore.Proved, err error) {
	var failures []error
	for _, t := range all {
		if t.Err != nil {
			failures = append(failures, t.Err)
			continue
		}
		head := t.Proved.Head
		if best.Head.Length == 0 || head.Fork > best.Head.Fork || head.Fork == best.Head.Fork && head.Length > best.Head.Length {
			from, best = t.Peer, t.Proved
		}
	}
	if len(failures) == len(all) {
		return from, best, errors.Join(failures...)
	}
	return from, best, nil
}
