package worktree

import (
	"context"
	"io"

	"hc/lib/hyperdrive"
)

// Source is a version of the drive that files come from: of the store, or on its way from peers.
type Source interface {
	Files() *hyperdrive.Drive

	// Content writes a file's bytes, as hyperdrive.Content does.
	Content(ctx context.Context, item hyperdrive.Item, w io.Writer) error

	// Soon says which files will be read next, in this order.
	Soon(ctx context.Context, items []hyperdrive.Item) error
}
