package drive

import (
	"context"
	"errors"
	"fmt"

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
	head := im.names.Head()
	if since != nil && (since.Fork != head.Fork || since.Length != head.Length || since.TreeHash != head.TreeHash) {
		return fmt.Errorf("%w: the stream builds on version %d of the drive, which is at %d now: make the stream again", ErrConflict, since.Length, head.Length)
	}
	return im.list(ctx)
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
		if blob := item.Entry.Blob; item.Err == nil && blob != nil && !blob.Map && !blob.Empty() && len(im.blocks) < mostFirst {
			im.blocks = append(im.blocks, blob.BlockOffset)
		}
		return nil
	})
}

// name notes that the stream names an item, and refuses one that would stand where a folder of the drive is, or below one
// of its files.
func (im *importer) name(ctx context.Context, item stream.Item) error {
	name := "/" + item.Path
	if err := hyperdrive.CheckName(name); err != nil {
		return err
	}
	if im.tree {
		if id := idOf(name); len(im.named) > 0 {
			if _, old := im.named[id]; old {
				im.named[id] = true
			}
		}
		return nil
	}
	if item.Kind == stream.KindDelete {
		return nil
	}
	return im.checkRoom(ctx, name)
}

// checkRoom refuses a name that is a folder of the drive, or is below one of its files. (Of a whole tree the stream's own
// rules take care.)
func (im *importer) checkRoom(ctx context.Context, name string) error {
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
	folder := hyperdrive.FolderRange(name)
	folder.Limit = 1
	return im.old.Names().Walk(ctx, folder, func(hyperbee.Entry) error {
		return fmt.Errorf("%w: %q cannot be added: it is a folder in the drive: remove that first", ErrConflict, name[1:])
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
