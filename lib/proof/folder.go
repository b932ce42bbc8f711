package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"hc/lib/hyperbee"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
)

// A walk goes through a drive to the subject of a claim of a path or a tree. Writer and verifier of a stream take the
// same walk: the blocks that it reads, in their order, are the stream, see FORMAT.md.
type walk struct {
	claim   Claim
	version uint64 // of the names
	side    side
}

// side is the part of a walk that differs between the writer and the verifier.
type side interface {
	hyperbee.Blocks // of the names; each call is a step

	header(block []byte) error                            // block 0 of the names
	file(ctx context.Context, item hyperdrive.Item) error // its content comes next; Err may say that its name is bad
	other(item hyperdrive.Item) error                     // a link, or a malformed record: Err says so
	name(item hyperdrive.Item) error                      // any record, if no content comes
	blobsHead(ctx context.Context) error                  // after the names, if no content comes
}

// run takes the walk. outcome says what was proved instead of the claim; nil: the claim.
func (w *walk) run(ctx context.Context) (outcome, err error) {
	if w.version > 0 {
		header, err := w.side.Block(ctx, 0)
		if err != nil {
			return nil, err
		}
		if err := w.side.header(header); err != nil {
			return nil, err
		}
	}
	tree := hyperbee.OpenUncached(w.side, w.version)
	switch w.claim.Kind {
	case KindTree:
		return w.folder(ctx, tree)
	case KindNames:
		return nil, w.names(ctx, tree)
	}
	return w.path(ctx, tree)
}

// names goes through all names, and ends with the head of the blobs.
func (w *walk) names(ctx context.Context, tree *hyperbee.Tree) error {
	err := tree.Walk(ctx, hyperdrive.FolderRange("/"), func(found hyperbee.Entry) error {
		return w.side.name(hyperdrive.ItemOf(found))
	})
	if err != nil {
		return err
	}
	return w.side.blobsHead(ctx)
}

// path looks up one name.
func (w *walk) path(ctx context.Context, tree *hyperbee.Tree) (outcome, err error) {
	found, err := tree.Get(ctx, hyperdrive.Key(w.claim.Path))
	if errors.Is(err, hyperbee.ErrNotFound) {
		return w.absent(ctx, tree)
	}
	if err != nil {
		return nil, err
	}
	item := hyperdrive.ItemOf(found)
	switch {
	case item.Entry.Link != nil:
		return fmt.Errorf("%q is a link to %.300q: %w", w.claim.Path, *item.Entry.Link, hyperdrive.ErrNotFile), nil
	case item.Entry.Blob == nil:
		return nil, item.Err
	}
	return nil, w.side.file(ctx, item)
}

// absent proves what exists instead of a file: a folder or nothing.
func (w *walk) absent(ctx context.Context, tree *hyperbee.Tree) (outcome, err error) {
	outcome = fmt.Errorf("%q: %w", w.claim.Path, ErrAbsent)
	below := hyperdrive.FolderRange(w.claim.Path).GTE
	err = tree.Walk(ctx, hyperbee.Range{GTE: below, Limit: 1}, func(next hyperbee.Entry) error {
		if bytes.HasPrefix(next.Key, below) {
			outcome = fmt.Errorf("%q is a folder: %w", w.claim.Path, hyperdrive.ErrNotFile)
		}
		return nil
	})
	return outcome, err
}

// folder goes through everything below a folder.
func (w *walk) folder(ctx context.Context, tree *hyperbee.Tree) (outcome, err error) {
	count := 0
	err = tree.Walk(ctx, hyperdrive.FolderRange(w.claim.Path), func(found hyperbee.Entry) error {
		count++
		item := hyperdrive.ItemOf(found)
		if item.Entry.Blob == nil {
			return w.side.other(item)
		}
		return w.side.file(ctx, item)
	})
	if err == nil && count == 0 && w.claim.Path != "/" {
		outcome = fmt.Errorf("folder %q: %w", w.claim.Path, ErrAbsent)
	}
	return outcome, err
}

// runBlobs are the blobs in a stream: runs of blocks, in the order of the walk.
type runBlobs struct {
	length uint64
	blob   hyperdrive.Blob // the blob whose content comes
	placed bool            // run passes the true offset of a block
	run    func(first, count uint64, each func(index, offset uint64, data []byte) error) error
}

// Length implements hyperdrive.Blobs.
func (b *runBlobs) Length() uint64 { return b.length }

// ByteOffset implements hyperdrive.Blobs. It returns the offset in the record, which is checked when the block comes.
func (b *runBlobs) ByteOffset(context.Context, uint64) (uint64, error) { return b.blob.ByteOffset, nil }

// Blocks implements hyperdrive.Blobs.
func (b *runBlobs) Blocks(_ context.Context, first, count uint64, each func(index uint64, data []byte) error) error {
	return b.run(first, count, func(index, offset uint64, data []byte) error {
		if b.placed && index == b.blob.BlockOffset && offset != b.blob.ByteOffset {
			return fmt.Errorf("%w: it begins at byte %d of the blobs, the entry says %d", hyperdrive.ErrContent, offset, b.blob.ByteOffset)
		}
		return each(index, data)
	})
}

// blobsKey returns the key of a drive's blobs; nil if it cannot be known, which matters only if there is content.
func blobsKey(names keys.Key, manifest, header []byte) (*keys.Key, error) {
	key, _, err := hyperdrive.BlobsCore(names, manifest, header)
	if errors.Is(err, hyperdrive.ErrNoBlobs) {
		return nil, nil
	}
	return &key, err
}

func errNoBlobs(names keys.Key) error {
	return fmt.Errorf("%w: core %v has no manifest to derive it from, and does not name it", hyperdrive.ErrNoBlobs, names)
}

// isMalformed reports whether an error says that what was signed is not a valid drive.
func isMalformed(err error) bool {
	for _, kind := range []error{hyperbee.ErrCorrupt, hyperdrive.ErrEntry, hyperdrive.ErrContent, hyperdrive.ErrNoBlobs} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// malformed returns a writer's error as the kind that its reader will get.
func malformed(err error) error {
	switch {
	case isMalformed(err):
		return fmt.Errorf("%w: %w", ErrUnverified, err)
	case errors.Is(err, hyperdrive.ErrBehind):
		return fmt.Errorf("%w: %w", ErrPartial, err)
	}
	return err
}
