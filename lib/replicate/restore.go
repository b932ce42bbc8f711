package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/proof"
	"hc/lib/store"
)

// Restore fetches again a part of a core that the store has lost, see store.Checker. It does not build on what the store
// still has of the core's tree, which may be damaged, too.
//
// If the part goes beyond the head that is here, each peer is asked for its head, and the newest one is taken; told is what
// the peers said. A peer that was not heard may have a newer head. If none was heard, nothing is fetched, which is not an
// error.
//
// If the part goes beyond the peers' heads, Restore takes what they have, and the error wraps proof.ErrPartial. It is a
// *hypercore.SeenError if the peers have another history of a core that this store writes, or a longer one, unless the part
// goes beyond the head that is here.
func Restore(ctx context.Context, in *store.Store, key keys.Key, part store.BlockRange, peers []Dialer, options FetchOptions) (told []Told, err error) {
	claim := proof.Claim{Kind: proof.KindBlocks, From: part.First, To: part.End - 1}
	switch {
	case part.Beyond:
		told = askAll(ctx, key, peers, options)
		length, err := restoreHead(ctx, in, key, told, options)
		if err != nil || length <= part.First {
			return told, err // nobody has more than is here
		}
		claim.To = length - 1
		peers = whoHave(told)
	case part.First == part.End:
		claim = proof.Claim{Kind: proof.KindHead}
	}
	err = refetch(ctx, in, key, claim, peers, options)
	if errors.Is(err, proof.ErrPartial) && !part.Beyond && part.First < part.End {
		if shorterErr := refetchShorter(ctx, in, key, claim, peers, options); shorterErr != nil {
			err = shorterErr // more telling than that the peers lack the rest
		}
	}
	if err != nil {
		return told, err
	}
	return told, in.Sync(ctx, key) // a core that is signed here is not shown until it is synced
}

// refetchShorter takes what peers have of the part if their log ends inside it: they give nothing for a claim beyond its end.
func refetchShorter(ctx context.Context, in *store.Store, key keys.Key, claim proof.Claim, peers []Dialer, options FetchOptions) error {
	from, best, err := newestOf(ctx, key, peers, options)
	if length := best.Head.Length; err != nil || length <= claim.From || length > claim.To {
		return err
	}
	claim.To = best.Head.Length - 1
	if err := refetch(ctx, in, key, claim, []Dialer{from}, options); err != nil {
		return err
	}
	return in.Sync(ctx, key)
}

// whoHave returns the peers that have some of a core.
func whoHave(told []Told) (peers []Dialer) {
	for _, t := range told {
		if t.Err == nil && t.Proved.Head.Length > 0 {
			peers = append(peers, t.Peer)
		}
	}
	return peers
}

// restoreHead takes the newest head that the peers reported, even for a core that the store writes: it may be one that was
// lost. It returns its length, 0 if nothing was signed.
func restoreHead(ctx context.Context, in *store.Store, key keys.Key, told []Told, options FetchOptions) (length uint64, err error) {
	from, best, err := newest(told)
	if err != nil || best.Head.Length == 0 {
		return 0, ctx.Err() // no peer has it, or nothing was signed, or told says why no peer answered
	}
	view, err := in.View(ctx, key, false)
	switch {
	case err == nil && view.Head().Length > 0 && hypercore.Owned(in, key):
		adopted, err := adoptFrom(ctx, in, view, from, best, options)
		return adopted.After.Length, err
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return 0, err
	}
	if err := refetch(ctx, in, key, proof.Claim{Kind: proof.KindHead}, []Dialer{from}, options); err != nil {
		return 0, err
	}
	if view, err = in.View(ctx, key, false); err != nil {
		return 0, err
	}
	return view.Head().Length, nil
}

// refetch takes a part of a core from the peers as if nothing of it were here, and keeps what verifies.
func refetch(ctx context.Context, in *store.Store, key keys.Key, claim proof.Claim, peers []Dialer, options FetchOptions) error {
	fetching, stop := context.WithCancel(ctx)
	defer stop()
	stream, into := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := WriteProof(fetching, into, keys.Ref{Key: key}, PipeOptions{Peers: peers, Claim: claim, Fetch: options})
		_ = into.CloseWithError(err) // never fails
		written <- err
	}()
	keeper := hypercore.NewKeeper(ctx, in)
	keeper.Replace()
	_, err := proof.Verify(ctx, stream, proof.Options{Key: &key, Claim: &claim}, keeper)
	_ = stream.CloseWithError(err) // never fails; ends the writer
	stop()
	fetchErr := <-written
	if closeErr := keeper.Close(); err == nil {
		err = closeErr
	}
	if err != nil && fetchErr != nil && !errors.Is(fetchErr, context.Canceled) && !errors.Is(fetchErr, err) {
		err = fetchErr // why the stream stopped early
	}
	if err != nil {
		return fmt.Errorf("fetching core %v again: %w", key, err)
	}
	return nil
}
