package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"hc/lib/hyperbee"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/proof"
)

// writeDrive writes the proof of a path or a folder of a drive while it arrives. It looks up all names first, so that each
// file's content is under way before the stream comes to it.
func writeDrive(ctx context.Context, w io.Writer, ref keys.Ref, options PipeOptions) error {
	d, err := OpenDrive(ctx, ref, DriveOptions{
		Store: options.Store,
		Peers: options.Peers,
		Sync:  options.Sync,
		Names: options.Claim.Kind == proof.KindNames || options.Claim.Kind == proof.KindTree && options.Claim.Path == "/",
		Files: options.Claim.Kind != proof.KindNames,
		Wait:  options.Wait,
		Fetch: options.Fetch,
	})
	if err != nil {
		return err
	}
	ahead := &ahead{drive: d, maps: map[uint64]bool{}}
	if err = ahead.look(ctx, options.Claim); err == nil {
		err = proof.Write(ctx, w, d.names, proof.WriteOptions{Claim: options.Claim, Blobs: ahead.openBlobs})
	}
	closeErr := d.Close()
	if fetchErr := d.fetchErr(); err != nil || fetchErr != nil {
		return worse(err, fetchErr)
	}
	return closeErr
}

// fetchErr returns why fetching the names, or else the blobs, ended. Call it after Close. A peer that does not have the
// blobs is no reason: the reader of the blobs gets that error.
func (d *Drive) fetchErr() error {
	if d.names.err != nil || d.blobs == nil || errors.Is(d.blobs.err, ErrNotOffered) {
		return d.names.err
	}
	return d.blobs.err
}

// ahead looks ahead for a proof stream.
type ahead struct {
	drive *Drive

	mu   sync.Mutex
	maps map[uint64]bool // blocks of the blobs that are maps
}

// look asks for the blocks of the claimed files. Errors in them are left to the stream.
func (a *ahead) look(ctx context.Context, claim proof.Claim) error {
	names := a.drive.Files()
	if claim.Kind == proof.KindNames {
		return passOver(names.List(ctx, "/", func(hyperdrive.Item) error { return nil }))
	}
	if claim.Kind == proof.KindTree {
		if err := a.drive.expect(ctx, claim.Path); err != nil {
			return passOver(err)
		}
		return passOver(names.List(ctx, claim.Path, func(item hyperdrive.Item) error { return a.want(ctx, item) }))
	}
	item, err := names.Get(ctx, claim.Path)
	if errors.Is(err, hyperbee.ErrNotFound) {
		_, err = names.IsFolder(ctx, claim.Path) // this proves the absence
		return passOver(err)
	}
	if err == nil {
		err = a.want(ctx, item)
	}
	return passOver(err)
}

// passOver drops errors about what is not a drive, or not here: the stream will report them.
func passOver(err error) error {
	for _, known := range []error{hyperbee.ErrCorrupt, hyperdrive.ErrEntry, hyperdrive.ErrBehind, hyperdrive.ErrNoBlobs, proof.ErrPartial, proof.ErrBlockMissing} {
		if errors.Is(err, known) {
			return nil
		}
	}
	return err
}

// want asks for a file's blocks.
func (a *ahead) want(ctx context.Context, item hyperdrive.Item) error {
	blob := item.Entry.Blob
	if item.Err != nil || blob == nil || blob.Empty() {
		return nil
	}
	blobs, err := a.drive.openBlobs()
	if err != nil {
		return err
	}
	run := hypercore.BlockRange{First: blob.BlockOffset, End: blob.BlockOffset + blob.BlockLength}
	if err := a.drive.reach(ctx, blobs, run.End); err != nil {
		return err
	}
	blobs.Want(run)
	if blob.Map && blob.BlockLength <= hyperdrive.MaxMapBlocks {
		a.mu.Lock()
		defer a.mu.Unlock()
		for block := run.First; block < run.End; block++ {
			a.maps[block] = true
		}
	}
	return nil
}

// openBlobs opens the blobs for the stream.
func (a *ahead) openBlobs(context.Context, keys.Key) (proof.Source, error) {
	blobs, err := a.drive.openBlobs()
	if err != nil {
		return nil, err
	}
	return &blobsAhead{blobs, a}, nil
}

// blobsAhead is the source of a stream's content.
type blobsAhead struct {
	*arriving
	ahead *ahead
}

// Head returns proof.ErrPartial if the peer lacks the blobs: the drive itself was found.
func (b *blobsAhead) Head(ctx context.Context) (proof.Head, error) {
	head, err := b.arriving.Head(ctx)
	if errors.Is(err, ErrNotOffered) {
		err = fmt.Errorf("%w: of the drive's blobs: %w", proof.ErrPartial, err)
	}
	return head, err
}

// Block waits for a block. Those that a map lists are asked for as soon as the map is here.
func (b *blobsAhead) Block(ctx context.Context, index uint64) ([]byte, error) {
	data, err := b.arriving.Block(ctx, index)
	b.ahead.mu.Lock()
	mapped := b.ahead.maps[index]
	b.ahead.mu.Unlock()
	if err != nil || !mapped {
		return data, err
	}
	pieces, err := hyperdrive.DecodeMap(data)
	if err != nil { // left for the stream's reader to see
		return data, nil
	}
	var wanted []hypercore.BlockRange
	length, _ := b.Length()
	for _, run := range hyperdrive.Runs(pieces) {
		if run.First+run.Count <= length {
			wanted = append(wanted, hypercore.BlockRange{First: run.First, End: run.First + run.Count})
		}
	}
	b.WantSoon(wanted...)
	return data, nil
}
