package hyperdrive

import (
	"context"

	"hc/lib/hyperbee"
)

// Names returns the tree of the drive's names.
func (d *Drive) Names() *hyperbee.Tree { return d.tree }

// ItemOf reads a record of the names, as a listing does: one that must be refused comes with its Err.
func ItemOf(found hyperbee.Entry) Item { return itemOf(found) }

// BlobRuns returns where the blocks of a file's content are, in their order, and reads no block but those of a map.
func BlobRuns(ctx context.Context, blobs Blobs, blob Blob) (runs []Run, err error) {
	if blob.Empty() {
		return nil, nil
	}
	if !blob.Map {
		return []Run{{First: blob.BlockOffset, Count: blob.BlockLength}}, checkRun(ctx, blobs, blob)
	}
	var pieces []Piece
	err = readMap(ctx, blobs, blob, func(more []Piece) error {
		pieces = append(pieces, more...)
		return nil
	})
	return Runs(pieces), err
}
