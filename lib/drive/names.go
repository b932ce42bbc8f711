package drive

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"hc/lib/hash"
	"hc/lib/hyperbee"
	"hc/lib/hyperdrive"
	"hc/lib/stream"
)

// nameID is half a hash of a name: enough to recognize it, in a fraction of the memory.
type nameID [16]byte

func idOf(name string) (id nameID) {
	sum := hash.Sum([]byte(name))
	copy(id[:], sum[:])
	return id
}

// beginTree is called when the stream is of a whole folder.
func (im *importer) beginTree(ctx context.Context, since *stream.Since) error {
	im.tree = true
	if err := im.checkSince(since); err != nil {
		return err
	}
	return im.list(ctx)
}

// checkSince refuses a stream that builds on a version other than the drive's; nil: it builds on none.
func (im *importer) checkSince(since *stream.Since) error {
	head := im.names.Head()
	if since != nil && (since.Fork != head.Fork || since.Length != head.Length || since.TreeHash != head.TreeHash) {
		return fmt.Errorf("%w: the stream builds on version %d of the drive, which is at %d now: make the stream again", ErrConflict, since.Length, head.Length)
	}
	return nil
}

// list reads all names of the drive.
func (im *importer) list(ctx context.Context) error {
	if im.listed {
		return nil
	}
	im.listed, im.named = true, make(map[nameID]bool)
	return im.old.List(ctx, "/", func(item hyperdrive.Item) error {
		if im.tree {
			im.named[idOf(item.Name)] = false
		}
		switch blob := item.Entry.Blob; {
		case item.Err != nil || blob == nil || blob.Empty():
		case blob.Map && len(im.mapped) < mostMapped:
			im.mapped = append(im.mapped, *blob)
		case !blob.Map && len(im.blocks) < mostFirst:
			im.blocks = append(im.blocks, blob.BlockOffset)
		}
		return nil
	})
}

// name records that the stream names an item.
func (im *importer) name(item stream.Item) error {
	name := "/" + item.Path
	if item.Kind == stream.KindDelete { // an invalid name may be removed
		return nil
	}
	if err := hyperdrive.CheckName(name); err != nil {
		return err
	}
	if id := idOf(name); im.tree && len(im.named) > 0 {
		if _, old := im.named[id]; old {
			im.named[id] = true
		}
	}
	return nil
}

// checkAdded refuses new names that are folders of the resulting drive, or below one of its files. The stream's own
// rules do that for a whole tree, so then none is recorded. It is called last: names that are in the way may be
// removed in any order.
func (im *importer) checkAdded(ctx context.Context) error {
	seen := ""
	for _, name := range im.added {
		if parent := name[:strings.LastIndexByte(name, '/')+1]; parent != seen {
			if err := im.checkAbove(ctx, name); err != nil {
				return err
			}
			seen = parent
		}
		if err := im.checkBelow(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// checkAbove refuses a name below a file.
func (im *importer) checkAbove(ctx context.Context, name string) error {
	for i := 1; i < len(name); i++ {
		if name[i] != '/' {
			continue
		}
		switch _, err := im.batch.Get(ctx, hyperdrive.Key(name[:i])); {
		case err == nil:
			return fmt.Errorf("%w: %q cannot be added: %q is a file in the drive: remove it first", ErrConflict, name[1:], name[1:i])
		case !errors.Is(err, hyperbee.ErrNotFound):
			return err
		}
	}
	return nil
}

// checkBelow refuses a name that is a folder. (The stream's own rules cover names that it adds below the new one.)
func (im *importer) checkBelow(ctx context.Context, name string) error {
	return im.old.Names().Walk(ctx, hyperdrive.FolderRange(name), func(entry hyperbee.Entry) error {
		switch _, err := im.batch.Get(ctx, entry.Key); {
		case err == nil:
			return fmt.Errorf("%w: %q cannot be added: it is a folder in the drive: remove that first", ErrConflict, name[1:])
		case !errors.Is(err, hyperbee.ErrNotFound):
			return err
		}
		return nil // it is removed
	})
}

// keep leaves a name as it is. It occurs only in a stream of a whole tree.
func (im *importer) keep(name string) error {
	if _, there := im.named[idOf(name)]; !there {
		return fmt.Errorf("%w: the stream keeps %q, which the drive does not have: make the stream again", ErrConflict, name[1:])
	}
	im.result.Unchanged++
	return nil
}

func (im *importer) remove(ctx context.Context, name string) error {
	found, err := im.batch.Delete(ctx, hyperdrive.Key(name))
	if found {
		im.result.Removed++
	}
	return err
}

// removeUnnamed removes the names that a whole tree did not name.
func (im *importer) removeUnnamed(ctx context.Context) error {
	unnamed := 0
	for _, named := range im.named {
		if !named {
			unnamed++
		}
	}
	if !im.tree || unnamed == 0 {
		return nil
	}
	return im.old.List(ctx, "/", func(item hyperdrive.Item) error {
		if im.named[idOf(item.Name)] {
			return nil
		}
		return im.remove(ctx, item.Name)
	})
}

// purge removes the names that cannot be paths of a stream.
func (im *importer) purge(ctx context.Context) error {
	return im.old.List(ctx, "/", func(item hyperdrive.Item) error {
		if item.Err == nil || stream.CheckPath(item.Name[1:]) == nil {
			return nil
		}
		return im.remove(ctx, item.Name)
	})
}
