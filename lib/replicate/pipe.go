package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/proof"
	"hc/lib/store"
)

// PipeOptions say what WriteProof writes and where it comes from.
type PipeOptions struct {
	Store *store.Store // where it is kept, and read from; nil: in memory only
	Peers []Dialer     // none: write what the store holds
	Sync  bool         // sync the store when saving
	Claim proof.Claim
	Live  bool
	Wait  time.Duration // see DriveOptions
	Fetch FetchOptions  // Claim and Live are taken from above
}

// WriteProof writes a core, or the claimed part of it, as a proof stream: from the store, or from peers while it arrives.
// For a path or a folder of a drive it writes parts of both cores.
//
// It returns proof.ErrPartial if something that was asked for is nowhere, and ErrLost or peer.ErrUnreachable if it is missing
// because of the peers.
func WriteProof(ctx context.Context, w io.Writer, ref keys.Ref, options PipeOptions) error {
	if ref.Pinned {
		options.Claim.At = &ref.Length
	}
	if len(options.Peers) == 0 && options.Fetch.More == nil {
		return writeStored(ctx, w, ref, options)
	}
	if options.Claim.OfDrive() {
		return writeDrive(ctx, w, ref, options)
	}
	d, err := hypercore.NewDownload(ctx, ref.Key, hypercore.DownloadOptions{Store: options.Store, Sync: options.Sync, Returned: true})
	if err != nil {
		return err
	}
	options.Fetch.Claim, options.Fetch.Live = options.Claim, options.Live
	return reading(ctx, d, options.Peers, options.Fetch, func(ctx context.Context) error { return write(ctx, w, d, ref, options) })
}

// worse prefers the cause to its effect: a stream is incomplete because of something that the peers did. If the stream is
// complete, lost peers do not matter.
func worse(writeErr, fetchErr error) error {
	var gone *peersGone
	switch {
	case writeErr == nil && errors.As(fetchErr, &gone):
		return nil
	case writeErr == nil:
		return fetchErr
	case fetchErr == nil, errors.Is(writeErr, fetchErr):
		return writeErr
	case errors.Is(writeErr, proof.ErrPartial), errors.Is(writeErr, context.Canceled):
		return fetchErr
	}
	return writeErr
}

func writeStored(ctx context.Context, w io.Writer, ref keys.Ref, options PipeOptions) error {
	if options.Store == nil {
		return fmt.Errorf("core %v %w: there is no store here, and no peer was named", ref.Key, store.ErrNotFound)
	}
	source, err := hypercore.OpenSource(ctx, options.Store, ref.Key, hypercore.SourceOptions{Returned: !options.Claim.OfDrive()})
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("core %v %w in this store, and no peer was named", ref.Key, store.ErrNotFound)
	}
	if err != nil {
		return err
	}
	return write(ctx, w, source, ref, options)
}

func write(ctx context.Context, w io.Writer, source proof.Source, ref keys.Ref, options PipeOptions) error {
	head, err := source.Head(ctx) // brings the manifest of a core that is new here
	if err != nil {
		return err
	}
	if ref.Pinned && len(head.Signature) > 0 && head.Fork != ref.Fork {
		return fmt.Errorf("%w: %v is of fork %d, the core is at fork %d", hypercore.ErrForked, ref, ref.Fork, head.Fork)
	}
	return proof.Write(ctx, w, source, proof.WriteOptions{Claim: options.Claim, Live: options.Live, Blobs: options.storedBlobs})
}

// storedBlobs opens a drive's blobs in the store.
func (o PipeOptions) storedBlobs(ctx context.Context, key keys.Key) (proof.Source, error) {
	source, err := hypercore.OpenSource(ctx, o.Store, key, hypercore.SourceOptions{})
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("%w: the drive's blobs, core %v, are not in this store, and no peer was named", proof.ErrPartial, key)
	}
	return source, err
}
