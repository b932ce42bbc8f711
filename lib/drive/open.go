package drive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"hc/lib/hash"
	"hc/lib/hyperbee"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store"
	"hc/lib/stream"
)

// Drive is a drive of a store at one version. If the drive was fetched only in part, the rest is missing here, too.
type Drive struct {
	*hyperdrive.Drive
	Key   keys.Key
	Head  store.Head // of the names, the newest one
	blobs viewBlobs
	in    *store.Store
	view  *store.View // of the names
}

// Open returns the drive at the version that ref pins, or else at the newest one. store.ErrNotFound if it is not in
// the store, hyperdrive.ErrNotDrive if the log there is something else.
func Open(ctx context.Context, in *store.Store, ref keys.Ref) (*Drive, error) {
	names, err := hypercore.OpenSnapshot(ctx, in, ref.Key)
	if err != nil {
		return nil, err
	}
	version, err := versionOf(ctx, names.View, ref)
	if err != nil {
		return nil, err
	}
	d := &Drive{Drive: hyperdrive.Open(viewNames{names.View}, version), Key: ref.Key, Head: names.Head(), in: in, view: names.View}
	if version == 0 {
		return d, nil
	}
	if err := d.checkVersion(ctx); err != nil {
		return nil, err
	}
	key, _, err := blobsOf(ctx, names.View, ref.Key, names.Manifest())
	if err != nil {
		return nil, err
	}
	blobs, err := hypercore.OpenSnapshot(ctx, in, key)
	if errors.Is(err, store.ErrNotFound) {
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	d.blobs.view = blobs.View
	return d, nil
}

// checkVersion refuses a version in the middle of one append, which has no tree, if the walk shows that.
func (d *Drive) checkVersion(ctx context.Context) error {
	if d.Version() == d.Head.Length {
		return nil
	}
	err := d.Names().Walk(ctx, hyperbee.Range{Limit: 1}, func(hyperbee.Entry) error { return nil })
	if errors.Is(err, hyperbee.ErrCorrupt) {
		return fmt.Errorf("version %d %w: it is in the middle of one append", d.Version(), store.ErrNotFound)
	}
	return err
}

// At returns the same drive at another version.
func (d *Drive) At(ctx context.Context, version uint64) (*Drive, error) {
	return Open(ctx, d.in, keys.Ref{Key: d.Key, Pinned: true, Fork: d.Head.Fork, Length: version})
}

// Blobs returns the reader of the files' bytes.
func (d *Drive) Blobs() hyperdrive.Blobs { return d.blobs }

// Files returns the names.
func (d *Drive) Files() *hyperdrive.Drive { return d.Drive }

// Content writes a file's bytes, as hyperdrive.Content does.
func (d *Drive) Content(ctx context.Context, item hyperdrive.Item, w io.Writer) error {
	return hyperdrive.Content(ctx, d.blobs, item, w)
}

// TreeHash returns the tree hash of the names at this version, which a citation names.
func (d *Drive) TreeHash(ctx context.Context) (hash.Digest, error) {
	return treeHash(ctx, d.view, d.Version())
}

// Ref returns the citation of this version.
func (d *Drive) Ref(ctx context.Context) (keys.Ref, error) {
	sum, err := treeHash(ctx, d.view, d.Version())
	return keys.Ref{Key: d.Key, Pinned: true, Fork: d.Head.Fork, Length: d.Version(), TreeHash: &sum}, err
}

// Since returns this version as it is named by a stream that builds on it.
func (d *Drive) Since(ctx context.Context) (stream.Since, error) {
	sum, err := d.TreeHash(ctx)
	return stream.Since{Fork: d.Head.Fork, Length: d.Version(), TreeHash: sum}, err
}

// versionOf returns the version that ref means. It must be one of the log's lengths, on its fork, and have the same
// tree hash.
func versionOf(ctx context.Context, view *store.View, ref keys.Ref) (uint64, error) {
	head := view.Head()
	switch {
	case !ref.Pinned:
		return head.Length, nil
	case ref.Fork != head.Fork:
		return 0, fmt.Errorf("%w: %v is of fork %d, the drive is at fork %d", hypercore.ErrForked, ref, ref.Fork, head.Fork)
	case ref.Length > head.Length:
		return 0, fmt.Errorf("version %d %w: the drive here is at version %d", ref.Length, store.ErrNotFound, head.Length)
	case ref.TreeHash == nil:
		return ref.Length, nil
	}
	sum, err := treeHash(ctx, view, ref.Length)
	if err != nil {
		return 0, err
	}
	if sum != *ref.TreeHash {
		return 0, fmt.Errorf("%w: version %d of the drive does not have the tree hash of %v", hypercore.ErrForked, ref.Length, ref)
	}
	return ref.Length, nil
}

func treeHash(ctx context.Context, view *store.View, length uint64) (sum hash.Digest, err error) {
	roots, err := merkle.RootsFrom(ctx, view, length)
	if err != nil {
		return sum, fmt.Errorf("reading the tree of version %d: %w", length, err)
	}
	return merkle.TreeHash(roots), nil
}

// BlobsKey returns the key of the blobs core of a drive whose names the store has. hyperdrive.ErrNotDrive if they are
// not a drive's.
func BlobsKey(ctx context.Context, in *store.Store, key keys.Key) (blobs keys.Key, err error) {
	view, err := in.View(ctx, key, false)
	if err != nil {
		return blobs, err
	}
	if view.Head().Length == 0 {
		return blobs, fmt.Errorf("log %v is %w: it is empty", key, hyperdrive.ErrNotDrive)
	}
	blobs, _, err = blobsOf(ctx, view, key, view.Manifest())
	return blobs, err
}

// blobsOf returns the key of a drive's blobs core and its manifest, which is nil if the header names the core. For an
// empty log it returns what they will be.
func blobsOf(ctx context.Context, names *store.View, key keys.Key, manifest []byte) (blobs keys.Key, _ []byte, err error) {
	if names.Head().Length == 0 {
		manifest, blobs, err = hyperdrive.BlobsManifest(key, manifest)
		return blobs, manifest, err
	}
	header, err := names.Block(ctx, 0)
	if err != nil {
		return blobs, nil, fmt.Errorf("reading the header of drive %v: %w", key, err)
	}
	return hyperdrive.BlobsCore(key, manifest, header)
}

// viewNames is a names core of a store. Its blocks are copies: a small block is a part of the run that it was
// compressed with, and would keep that whole run in memory for as long as the tree remembers the block.
type viewNames struct{ view *store.View }

// Block returns a block.
func (n viewNames) Block(ctx context.Context, seq uint64) ([]byte, error) {
	data, err := n.view.Block(ctx, seq)
	return bytes.Clone(data), err
}

// viewBlobs is a blobs core of a store; without a view, one that the store does not have.
type viewBlobs struct{ view *store.View }

// Length returns the number of blocks in the core.
func (b viewBlobs) Length() uint64 {
	if b.view == nil {
		return 0
	}
	return b.view.Head().Length
}

// Blocks calls each with blocks, which must be below Length.
func (b viewBlobs) Blocks(ctx context.Context, first, count uint64, each func(index uint64, data []byte) error) error {
	for index := first; index < first+count; index++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := b.view.Block(ctx, index)
		if err != nil {
			return err
		}
		if err := each(index, data); err != nil {
			return err
		}
	}
	return nil
}

// ByteOffset returns the number of bytes before a block.
func (b viewBlobs) ByteOffset(ctx context.Context, block uint64) (uint64, error) {
	return byteOffset(ctx, b.view, block)
}

func (b viewBlobs) node(ctx context.Context, index uint64) (merkle.Node, error) {
	if b.view == nil {
		return merkle.Node{}, merkle.ErrNodeMissing
	}
	return b.view.Node(ctx, index)
}

// Cores returns the keys of a drive's two cores as far as they are known: first the names, then the blobs.
func Cores(ctx context.Context, in *store.Store, key keys.Key) ([]keys.Key, error) {
	names, err := in.View(ctx, key, false)
	if err != nil {
		return nil, err
	}
	blobs, _, err := blobsOf(ctx, names, key, names.Manifest())
	return []keys.Key{key, blobs}, err
}
