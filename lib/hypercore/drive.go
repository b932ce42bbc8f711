package hypercore

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/hyperbee"
	"hc/lib/hyperdrive"
	"hc/lib/store"
)

// ErrDrive means that a core holds the names of a drive, which a block of anything else would make unreadable.
var ErrDrive = errors.New("a drive")

// refuseDrive refuses a core that holds the names of a drive.
func (w *Writer) refuseDrive(ctx context.Context, word string) error {
	if w.head.Length == 0 {
		return nil
	}
	drive, err := IsDrive(ctx, w.store, w.tx.View())
	if err != nil && !errors.Is(err, store.ErrBlockMissing) {
		return fmt.Errorf("looking whether core %q is a drive: %w", word, err)
	}
	if drive {
		return worded{ErrDrive, fmt.Sprintf("core %q is a drive", word)}
	}
	return nil
}

// IsDrive reports whether a core, which is not empty, holds the names of a drive. Its header (block 0) tells, or if that
// is not here, the blobs that belong to a drive; store.ErrBlockMissing if neither is here.
func IsDrive(ctx context.Context, in *store.Store, view *store.View) (bool, error) {
	block, err := view.Block(ctx, 0)
	if err == nil {
		_, notHeader := hyperbee.ParseHeader(block)
		return notHeader == nil, nil
	}
	if !errors.Is(err, store.ErrBlockMissing) {
		return false, err
	}
	_, key, noBlobs := hyperdrive.BlobsManifest(view.Key(), view.Manifest())
	if noBlobs != nil {
		return false, err
	}
	_, blobsErr := in.View(ctx, key, false)
	switch {
	case blobsErr == nil:
		return true, nil
	case errors.Is(blobsErr, store.ErrNotFound):
		return false, err
	}
	return false, blobsErr
}
