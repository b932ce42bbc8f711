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
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/merkle"
	"hc/lib/store"
	"hc/lib/stream"
)

// Change is how the folder differs from a version. For a change made here, New has only the name.
type Change struct {
	drive.Change

	// LeftOut says that nobody has edited the file. The last update left it out, so that it is as an earlier version has it, or
	// is not there.
	LeftOut bool
}

// Letter returns L for a file that was left out, else A, M or D.
func (c Change) Letter() string {
	if c.LeftOut {
		return "L"
	}
	return c.Change.Letter()
}

// Status calls each for every difference between the folder and a version: for everything that Publish would import. Files that
// are gone come last, in the order of their names.
func (t *Tree) Status(ctx context.Context, version *drive.Drive, options folder.Options, each func(Change) error) error {
	var gone []string
	from := t.read(ctx, version, options)
	defer from.stop()
	items := stream.NewFolderReader(from)
	was, err := t.wasVersions(ctx)
	if err != nil {
		return err
	}
	for {
		item, err := items.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return from.cause(err)
		}
		switch item.Kind {
		case stream.KindFile, stream.KindLink:
			err = t.tell(ctx, version, was, &hereFile{item: item, content: items}, each)
		case stream.KindDelete:
			gone = append(gone, "/"+item.Path)
		case stream.KindPurge:
			gone, err = strange(ctx, version, gone)
		}
		if err != nil {
			return from.cause(err)
		}
	}
	from.end(nil)
	slices.Sort(gone)
	for _, name := range gone {
		if !t.Wants(name) {
			continue
		}
		old := hyperdrive.Item{Name: name}
		if err := each(Change{drive.Change{Name: name, Old: &old}, t.leftOut(name)}); err != nil {
			return err
		}
	}
	return nil
}

// wasVersions opens the versions that files left out may still be of.
func (t *Tree) wasVersions(ctx context.Context) (versions []*drive.Drive, err error) {
	for _, ref := range t.was {
		version, err := drive.Open(ctx, t.in, ref)
		if isUnknown(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		versions = append(versions, version)
	}
	return versions, nil
}

// isUnknown reports whether an error means that an older version, or a part of it, is no longer here.
func isUnknown(err error) bool {
	return errors.Is(err, store.ErrBlockMissing) || errors.Is(err, store.ErrNotFound) || errors.Is(err, merkle.ErrNodeMissing) ||
		errors.Is(err, hypercore.ErrForked)
}

// tell calls each with how a file differs from a version, if it does.
func (t *Tree) tell(ctx context.Context, version *drive.Drive, was []*drive.Drive, file *hereFile, each func(Change) error) error {
	change, err := edited(ctx, version, file)
	name := "/" + file.item.Path
	leftOut := t.leftOut(name)
	if leftOut && isUnknown(err) { // the version's file never arrived
		change, err = &drive.Change{Name: name, Old: &hyperdrive.Item{Name: name}, New: &hyperdrive.Item{Name: name}}, nil
	}
	if err != nil || change == nil || !t.Wants(name) {
		return err
	}
	if !leftOut {
		return each(Change{Change: *change})
	}
	for _, before := range was {
		older, err := edited(ctx, before, file)
		if isUnknown(err) {
			continue
		}
		if err != nil {
			return err
		}
		if older == nil {
			return each(Change{*change, true})
		}
	}
	return each(Change{Change: *change})
}

// strange appends the names of a version that are not valid paths of a stream.
func strange(ctx context.Context, version *drive.Drive, to []string) ([]string, error) {
	err := version.List(ctx, "/", func(item hyperdrive.Item) error {
		if item.Err != nil && stream.CheckPath(item.Name[1:]) != nil {
			to = append(to, item.Name)
		}
		return nil
	})
	return to, err
}

// edited returns how a file differs from a version, nil if it does not. A different time alone does not count.
func edited(ctx context.Context, version *drive.Drive, file *hereFile) (*drive.Change, error) {
	item := file.item
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
		if old.Entry.Link != nil && (*old.Entry.Link == item.Target || hyperdrive.LinkTarget(item.Path, *old.Entry.Link) == item.Target) {
			return nil, nil
		}
		return change, nil
	}
	if old.Entry.Blob == nil || modeOf(old.Entry) != item.Mode.Perm() && !plainMode(old.Entry, item.Mode) {
		return change, nil
	}
	want, err := sumOf(ctx, version, old)
	if err != nil {
		return nil, err
	}
	sum, err := file.digest()
	if err != nil || sum == want {
		return nil, err
	}
	return change, nil
}

// hereFile is a file or a link of the folder, as it is read.
type hereFile struct {
	item    stream.Item
	content *stream.FolderReader
	sum     *[32]byte // once it was asked for
}

// digest returns the sha256 of the content.
func (f *hereFile) digest() ([32]byte, error) {
	if f.sum != nil {
		return *f.sum, nil
	}
	sum := simd.NewSHA256()
	var batch [][]byte
	var err error
	for err == nil {
		batch, _, err = f.content.NextBatch(batch[:0], 1<<20)
		for _, block := range batch {
			sum.Write(block)
		}
	}
	if !errors.Is(err, io.EOF) {
		return [32]byte{}, err
	}
	f.sum = (*[32]byte)(sum.Sum(nil))
	return *f.sum, nil
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

// plainMode reports whether a mode fits an entry that only says whether the file is executable.
func plainMode(entry hyperdrive.Entry, mode fs.FileMode) bool {
	return !hyperdrive.ParseMeta(entry.Metadata).HasMode && entry.Executable == (mode&0o100 != 0)
}

// sumOf returns the sha256 of a file: the one in its entry, else that of its content.
func sumOf(ctx context.Context, of files, item hyperdrive.Item) ([32]byte, error) {
	if meta := hyperdrive.ParseMeta(item.Entry.Metadata); meta.SHA256 != nil {
		return *meta.SHA256, nil
	}
	sum := simd.NewSHA256()
	err := of.Content(ctx, item, sum)
	return [32]byte(sum.Sum(nil)), err
}
