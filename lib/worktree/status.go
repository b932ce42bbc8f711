package worktree

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"

	"hc/lib/drive"
	"hc/lib/folder"
	"hc/lib/hash/simd"
	"hc/lib/hyperbee"
	"hc/lib/hyperdrive"
	"hc/lib/stream"
)

// Status hands on how the files in the folder differ from a version, in no particular order for what is gone: what Publish
// would import. Of a change that was made here New has the name only.
func (t *Tree) Status(ctx context.Context, version *drive.Drive, options folder.Options, each func(drive.Change) error) error {
	var gone []string
	from := t.read(ctx, version, options)
	defer from.stop()
	items := stream.NewFolderReader(from)
	for {
		item, err := items.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch item.Kind {
		case stream.KindFile, stream.KindLink:
			err = t.tell(ctx, version, item, items, each)
		case stream.KindDelete:
			gone = append(gone, "/"+item.Path)
		case stream.KindPurge:
			gone, err = strange(ctx, version, gone)
		}
		if err != nil {
			return err
		}
	}
	from.end(nil)
	slices.Sort(gone)
	for _, name := range gone {
		if !t.Wants(name) {
			continue
		}
		old := hyperdrive.Item{Name: name}
		if err := each(drive.Change{Name: name, Old: &old}); err != nil {
			return err
		}
	}
	return nil
}

// tell hands on how a file differs from what a version has of it, if it does.
func (t *Tree) tell(ctx context.Context, version *drive.Drive, item stream.Item, content *stream.FolderReader, each func(drive.Change) error) error {
	change, err := edited(ctx, version, item, content)
	if err != nil || change == nil || !t.Wants(change.Name) {
		return err
	}
	return each(*change)
}

// strange appends the names of a version that are no paths of a stream.
func strange(ctx context.Context, version *drive.Drive, to []string) ([]string, error) {
	err := version.List(ctx, "/", func(item hyperdrive.Item) error {
		if item.Err != nil && stream.CheckPath(item.Name[1:]) != nil {
			to = append(to, item.Name)
		}
		return nil
	})
	return to, err
}

// edited returns how a file differs from what a version has of it; nil if it does not. Only another time is no difference.
func edited(ctx context.Context, version *drive.Drive, item stream.Item, content *stream.FolderReader) (*drive.Change, error) {
	name := "/" + item.Path
	change := &drive.Change{Name: name, New: &hyperdrive.Item{Name: name}}
	old, err := version.Get(ctx, name)
	switch {
	case errors.Is(err, hyperbee.ErrNotFound):
		return change, nil
	case errors.Is(err, hyperdrive.ErrEntry), errors.Is(err, hyperdrive.ErrName):
		change.Old = &hyperdrive.Item{Name: name, Err: err}
		return change, nil
	case err != nil:
		return nil, err
	}
	change.Old = &old
	if item.Kind == stream.KindLink {
		if old.Entry.Link != nil && (*old.Entry.Link == item.Target || folder.LinkTarget(item.Path, *old.Entry.Link) == item.Target) {
			return nil, nil
		}
		return change, nil
	}
	if old.Entry.Blob == nil || modeOf(old.Entry) != item.Mode.Perm() && !plainMode(old.Entry, item.Mode) {
		return change, nil
	}
	same, err := sameContent(ctx, version, old, content)
	if err != nil || same {
		return nil, err
	}
	return change, nil
}

// modeOf returns the permissions that a file of a drive has on the disk.
func modeOf(entry hyperdrive.Entry) fs.FileMode {
	meta := hyperdrive.ParseMeta(entry.Metadata)
	switch {
	case meta.HasMode:
		return meta.Mode
	case entry.Executable:
		return 0o755
	}
	return 0o644
}

// plainMode reports whether a mode is what becomes of an entry that tells only whether the file is executable.
func plainMode(entry hyperdrive.Entry, mode fs.FileMode) bool {
	return !hyperdrive.ParseMeta(entry.Metadata).HasMode && entry.Executable == (mode&0o100 != 0)
}

// sameContent reports whether what comes is what a version has.
func sameContent(ctx context.Context, version *drive.Drive, old hyperdrive.Item, content *stream.FolderReader) (bool, error) {
	sum := simd.NewSHA256()
	var batch [][]byte
	var err error
	for err == nil {
		batch, _, err = content.NextBatch(batch[:0], 1<<20)
		for _, block := range batch {
			sum.Write(block)
		}
	}
	if !errors.Is(err, io.EOF) {
		return false, err
	}
	want, err := sumOf(ctx, version, old)
	return err == nil && [32]byte(sum.Sum(nil)) == want, err
}

// sumOf returns the sha256 of a file: what its entry says, else that of its content.
func sumOf(ctx context.Context, of files, item hyperdrive.Item) ([32]byte, error) {
	if meta := hyperdrive.ParseMeta(item.Entry.Metadata); meta.SHA256 != nil {
		return *meta.SHA256, nil
	}
	sum := simd.NewSHA256()
	err := of.Content(ctx, item, sum)
	return [32]byte(sum.Sum(nil)), err
}
