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

// Item is a drive's record of a name.
type Item struct {
	Name  string // "/dir/file"
	Seq   uint64 // the block of the names core with the record
	Entry Entry
	Err   error // of List and Diff: why the item must be refused, wrapping ErrName or ErrEntry; Name and Seq are valid even then
}

// Open returns the drive with these blocks as its names core, at a version: a length of that core at which an append
// ended. Blocks are read when they are needed. Versions 0 and 1 are empty.
func Open(names hyperbee.Blocks, version uint64) *Drive {
	return &Drive{blocks: names, tree: hyperbee.Open(names, version)}
}

// Version returns the length of the names core at which the drive is opened.
func (d *Drive) Version() uint64 { return d.tree.Version() }

// BlobsCore returns the key of a drive's blobs core: the one in the names core's header (its block 0), else the one
// derived from its manifest. blobsManifest is the blobs core's own manifest, nil if it is not known. The header must be
// verified: a *NotDriveError blames whoever named the core.
func BlobsCore(driveKey keys.Key, manifest, header []byte) (key keys.Key, blobsManifest []byte, err error) {
	named, err := hyperbee.ParseHeader(header)
	if err != nil {
		return key, nil, &NotDriveError{Key: driveKey, Reason: err}
	}
	if named != nil {
		return keys.Key(named), nil, nil
	}
	blobsManifest, key, err = BlobsManifest(driveKey, manifest)
	return key, blobsManifest, err
}

// ready refuses a core that is not a bee, but whose blocks could be mistaken for those of one.
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

// Get returns the item of a name, spelled exactly as in the drive; [CleanName] makes such a name of user input. The
// error is hyperbee.ErrNotFound or ErrEntry.
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

// FolderRange returns the keys of everything below a folder, "/" or "/dir", as a bee's range.
func FolderRange(folder string) hyperbee.Range {
	start := Key(strings.TrimRight(folder, "/") + "/")
	end := append([]byte(nil), start...)
	end[len(end)-1]++ // "0" is the byte after "/"
	return hyperbee.Range{GTE: start, LT: end}
}

// IsFolder reports whether anything is below a name. The name may be a file's, too.
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

// Prefetch announces everything that List will read to the blocks of the names, if they are a hyperbee.Expecter.
func (d *Drive) Prefetch(ctx context.Context, folder string) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	return d.tree.Prefetch(ctx, FolderRange(folder))
}

// List calls each for every item below a folder, in the order of the names' bytes. An item that must be refused comes
// with its Err, so that the caller can name it and continue. Keys outside the drive's files, which no stock tool
// lists, are skipped. List returns the first error of each, or why it cannot continue.
func (d *Drive) List(ctx context.Context, folder string, each func(Item) error) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	return d.tree.Walk(ctx, FolderRange(folder), func(found hyperbee.Entry) error { return each(itemOf(found)) })
}

// Diff calls each for everything below a folder that differs between an older version and d, in the order of names:
// old is nil for new items, new for removed ones. Items that must be refused come with their Err. Parts that the
// versions share are not read.
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
		item.Entry, _ = entryOf(found) // shown with the name, if it is valid
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
