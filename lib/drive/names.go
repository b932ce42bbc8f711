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

// nameID is half a hash of a name: enough to know one again, in a fraction of the memory.
type nameID [16]byte

func idOf(name string) (id nameID) {
	sum := hash.Sum([]byte(name))
	copy(id[:], sum[:])
	return id
}

// beginTree hears that the stream is the whole folder.
func (im *importer) beginTree(ctx context.Context, since *stream.Since) error {
	im.tree = true
	if err := im.checkSince(since); err != nil {
		return err
	}
	return im.list(ctx)
}

// checkSince refuses a stream that builds on another version than the drive's; nil: it builds on none.
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

// name notes that the stream names an item.
func (im *importer) name(item stream.Item) error {
	name := "/" + item.Path
	if item.Kind == stream.KindDelete { // what should not be there may go
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

// checkAdded refuses new names that are folders of the drive as it will be, or below one of its files. Of a whole tree the
// stream's own rules take care, and none is noted. It comes last: what is in the way may go in any order.
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

// checkBelow refuses a name that is a folder. (What the stream puts there is against its own rules.)
func (im *importer) checkBelow(ctx context.Context, name string) error {
	return im.old.Names().Walk(ctx, hyperdrive.FolderRange(name), func(entry hyperbee.Entry) error {
		switch _, err := im.batch.Get(ctx, entry.Key); {
		case err == nil:
			return fmt.Errorf("%w: %q cannot be added: it is a folder in the drive: remove that first", ErrConflict, name[1:])
		case !errors.Is(err, hyperbee.ErrNotFound):
			return err
		}
		return nil // it goes
	})
}

// keep leaves a name as it is, which only a stream of a whole tree asks for.
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

// removeUnnamed removes what a whole tree did not name.
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

// purge removes the names that are no paths of a stream.
func (im *importer) purge(ctx context.Context) error {
	return im.old.List(ctx, "/", func(item hyperdrive.Item) error {
		if item.Err == nil || stream.CheckPath(item.Name[1:]) == nil {
			return nil
		}
		return im.remove(ctx, item.Name)
	})
}
