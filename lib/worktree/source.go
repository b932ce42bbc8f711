package worktree

import (
	"context"
	"io"

	"hc/lib/drive"
	"hc/lib/hyperdrive"
)

// files is a version of the drive that can be looked at.
type files interface {
	Files() *hyperdrive.Drive

	// Content writes a file's bytes, as hyperdrive.Content does.
	Content(ctx context.Context, item hyperdrive.Item, w io.Writer) error
}

// Source is a version of the drive that files come from: one in the store, or one fetched from peers.
type Source interface {
	files

	// Soon says which files will be read next, in this order.
	Soon(ctx context.Context, items []hyperdrive.Item) error

	// Length returns how many blocks of blobs can be read.
	Length() (uint64, error)

	// Complete brings the content of files into the store that need not be read, as they are on the disk already.
	Complete(ctx context.Context, items []hyperdrive.Item) error

	// Before returns an older version.
	Before(ctx context.Context, version uint64) (Source, error)

	// Afresh returns the same version over new connections to peers, when nothing more comes from the old ones; nil if there is
	// no use in that. The old Source must not be used any more.
	Afresh(ctx context.Context) (Source, error)

	// Kept returns once everything that was read is in the store.
	Kept(ctx context.Context) error
}

// Stored returns a drive of the store as a Source.
func Stored(d *drive.Drive) Source { return stored{d} }

type stored struct{ *drive.Drive }

// Soon does nothing: files in a store need no fetching.
func (s stored) Soon(context.Context, []hyperdrive.Item) error { return nil }

// Length implements Source.
func (s stored) Length() (uint64, error) { return s.Blobs().Length(), nil }

// Complete does nothing.
func (s stored) Complete(context.Context, []hyperdrive.Item) error { return nil }

// Before implements Source.
func (s stored) Before(ctx context.Context, version uint64) (Source, error) {
	d, err := s.At(ctx, version)
	return stored{d}, err
}

// Afresh returns nil: the store would give the same again.
func (s stored) Afresh(context.Context) (Source, error) { return nil, nil }

// Kept does nothing: everything is in the store already.
func (s stored) Kept(context.Context) error { return nil }
