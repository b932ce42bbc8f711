package hyperdrive

import (
	"context"

	"hc/lib/hyperbee"
)

// Names returns the tree of the drive's names.
func (d *Drive) Names() *hyperbee.Tree { return d.tree }

// ItemOf reads a record of the names as a listing does: an item that must be refused comes with its Err.
func ItemOf(found hyperbee.Entry) Item { return itemOf(found) }

// BlobRuns returns where the blocks of a file's content are, in order. The only blocks that it reads are those of a
// map.
func BlobRuns(ctx context.Context, blobs Blobs, blob Blob) (runs []Run, err error) {
	err = EachRun(ctx, blobs, blob, func(run Run) error {
		runs = appendRun(runs, run)
		return nil
	})
	return runs, err
}

// EachRun is BlobRuns for callers that need not hold all runs. It does not join runs across two blocks of a map.
func EachRun(ctx context.Context, blobs Blobs, blob Blob, each func(Run) error) error {
	if blob.Empty() {
		return nil
	}
	if !blob.Map {
		if err := checkRun(ctx, blobs, blob); err != nil {
			return err
		}
		return each(Run{First: blob.BlockOffset, Count: blob.BlockLength})
	}
	return readMap(ctx, blobs, blob, func(pieces []Piece) error {
		for _, run := range Runs(pieces) {
			if err := each(run); err != nil {
				return err
			}
		}
		return nil
	})
}
