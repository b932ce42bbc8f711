package hyperdrive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"hc/lib/hyperbee"
	"hc/lib/keys"
)

// Drive is one version of a drive's names. It is safe for concurrent use if its blocks are.
type Drive struct {
	blocks  hyperbee.Blocks
	tree    *hyperbee.Tree
	checked atomic.Bool // block 0 is a header
}

// Item is what a drive has under a name.
type Item struct {
	Name  string // "/dir/file"
	Seq   uint64 // the block of the names core that it is in
	Entry Entry
	Err   error // of List and Diff: why the item must be refused, wrapping ErrName or ErrEntry; Name and Seq hold then, too
}

// Open returns the drive whose names core has these blocks, at a version: a length of that core at which an append ended.
// Nothing is read until it is needed. Versions 0 and 1 are empty.
func Open(names hyperbee.Blocks, version uint64) *Drive {
	return &Drive{blocks: names, tree: hyperbee.Open(names, version)}
}

// Version returns the length of the names core that the drive is opened at.
func (d *Drive) Version() uint64 { return d.tree.Version() }

// BlobsCore returns the key of a drive's blobs core: the one that the names core's header (its block 0) names, else the one
// that its manifest gives, with the blobs' own manifest, which is nil where it is not known.
func BlobsCore(driveKey keys.Key, manifest, header []byte) (key keys.Key, blobsManifest []byte, err error) {
	named, err := hyperbee.ParseHeader(header)
	if err != nil {
		return key, nil, err
	}
	if named != nil {
		return keys.Key(named), nil, nil
	}
	blobsManifest, key, err = BlobsManifest(driveKey, manifest)
	return key, blobsManifest, err
}

// ready refuses a core that is not a bee, whose blocks could be mistaken for one's.
func (d *Drive) ready(ctx context.Context) error {
	if d.tree.Version() == 0 || d.checked.Load() {
		return nil
	}
	if err := hyperbee.CheckHeader(ctx, d.blocks); err != nil {
		return fmt.Errorf("opening the drive: %w", err)
	}
	d.checked.Store(true)
	return nil
}

// Get returns what the drive has under a name, exactly as it is written; [CleanName] makes one of what somebody typed. It
// returns hyperbee.ErrNotFound, or ErrEntry.
func (d *Drive) Get(ctx context.Context, name string) (Item, error) {
	if err := d.ready(ctx); err != nil {
		return Item{}, err
	}
	found, err := d.tree.Get(ctx, Key(name))
	if errors.Is(err, hyperbee.ErrNotFound) {
		return Item{}, fmt.Errorf("%q: %w", abbreviate(name), hyperbee.ErrNotFound)
	}
	if err != nil {
		return Item{}, err
	}
	item := Item{Name: name, Seq: found.Seq}
	item.Entry, err = entryOf(found)
	if err != nil {
		return Item{}, fmt.Errorf("%q: %w", abbreviate(name), err)
	}
	return item, nil
}

// FolderRange returns the keys of all that is below a folder, "/" or "/dir", as a bee's range.
func FolderRange(folder string) hyperbee.Range {
	start := Key(strings.TrimRight(folder, "/") + "/")
	end := append([]byte(nil), start...)
	end[len(end)-1]++ // "0" is the byte behind "/"
	return hyperbee.Range{GTE: start, LT: end}
}

// IsFolder reports whether something is below a name. A name may be a file's, too.
func (d *Drive) IsFolder(ctx context.Context, name string) (found bool, err error) {
	if err := d.ready(ctx); err != nil {
		return false, err
	}
	first := FolderRange(name)
	first.Limit = 1
	err = d.tree.Walk(ctx, first, func(hyperbee.Entry) error {
		found = true
		return nil
	})
	return found, err
}

// Prefetch has the blocks of the names, if they are a hyperbee.Expecter, told of all that List will read.
func (d *Drive) Prefetch(ctx context.Context, folder string) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	return d.tree.Prefetch(ctx, FolderRange(folder))
}

// List calls each for all that is below a folder, in the order of the names' bytes. An item that must be refused comes with
// its Err, so that the caller names it and goes on. Keys outside of the drive's files, which no stock tool lists, are passed
// over. List returns the first error of each, or why it cannot go on.
func (d *Drive) List(ctx context.Context, folder string, each func(Item) error) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	return d.tree.Walk(ctx, FolderRange(folder), func(found hyperbee.Entry) error { return each(itemOf(found)) })
}

// Diff calls each for all that differs below a folder between an older version and d, in the order of names: old is nil for
// what is new, new for what is gone. Items that must be refused come with their Err. What the versions share is not read.
func (d *Drive) Diff(ctx context.Context, older *Drive, folder string, each func(old, new *Item) error) error {
	for _, side := range []*Drive{older, d} {
		if err := side.ready(ctx); err != nil {
			return err
		}
	}
	return hyperbee.Diff(ctx, older.tree, d.tree, FolderRange(folder), func(old, new *hyperbee.Entry) error {
		return each(itemPointer(old), itemPointer(new))
	})
}

func itemPointer(found *hyperbee.Entry) *Item {
	if found == nil {
		return nil
	}
	item := itemOf(*found)
	return &item
}

// itemOf reads one record of a listing.
func itemOf(found hyperbee.Entry) Item {
	item := Item{Seq: found.Seq}
	if item.Name, item.Err = NameOf(found.Key); item.Err != nil {
		return item
	}
	if item.Err = CheckName(item.Name); item.Err != nil {
		item.Entry, _ = entryOf(found) // shown with the name, where it can be
		return item
	}
	if item.Entry, item.Err = entryOf(found); item.Err != nil {
		item.Err = fmt.Errorf("%q: %w", abbreviate(item.Name), item.Err)
	}
	return item
}

func entryOf(found hyperbee.Entry) (Entry, error) {
	entry, err := ParseEntry(found.Value)
	if err == nil && entry.Link == nil && entry.Blob == nil {
		err = fmt.Errorf("%w: it is neither a file nor a link", ErrEntry)
	}
	return entry, err
}
