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
	if err != nil && !unreadable(err) { // else a log that was appended to before goes on, whatever befell its first block
		return fmt.Errorf("looking whether core %q is a drive: %w", word, err)
	}
	if drive {
		return worded{ErrDrive, fmt.Sprintf("core %q is a drive", word)}
	}
	return nil
}

// unreadable reports whether an error says that a block is not here, or damaged.
func unreadable(err error) bool {
	return errors.Is(err, store.ErrBlockMissing) || errors.Is(err, store.ErrDamaged)
}

// IsDrive reports whether a core, which is not empty, holds the names of a drive: by its header (block 0) or, if that
// cannot be read, by the blobs that belong to a drive. If neither is here, the error is the header's, which wraps
// store.ErrBlockMissing or store.ErrDamaged.
func IsDrive(ctx context.Context, in *store.Store, view *store.View) (bool, error) {
	block, err := view.Block(ctx, 0)
	if err == nil {
		_, notHeader := hyperbee.ParseHeader(block)
		return notHeader == nil, nil
	}
	if !unreadable(err) {
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
