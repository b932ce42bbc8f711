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

// refuseDrive refuses a core that holds the names of a drive. If its header (block 0) is not here, the blobs that
// belong to a drive tell.
func (w *Writer) refuseDrive(ctx context.Context, word string) error {
	if w.head.Length == 0 {
		return nil
	}
	drive, err := w.hasHeader(ctx)
	if errors.Is(err, store.ErrBlockMissing) {
		drive, err = w.hasBlobs(ctx)
	}
	if err != nil {
		return fmt.Errorf("looking whether core %q is a drive: %w", word, err)
	}
	if drive {
		return worded{ErrDrive, fmt.Sprintf("core %q is a drive", word)}
	}
	return nil
}

func (w *Writer) hasHeader(ctx context.Context) (bool, error) {
	block, err := w.tx.View().Block(ctx, 0)
	if err != nil {
		return false, err
	}
	_, err = hyperbee.ParseHeader(block)
	return err == nil, nil
}

func (w *Writer) hasBlobs(ctx context.Context) (bool, error) {
	_, key, err := hyperdrive.BlobsManifest(w.Key(), w.Manifest())
	if err != nil {
		return false, nil // no drive's blobs follow from such a core
	}
	_, err = w.store.View(ctx, key, false)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
