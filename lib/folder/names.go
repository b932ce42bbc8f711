package folder

import (
	"context"
	"errors"
	"io/fs"

	"hc/lib/drive"
	"hc/lib/hyperdrive"
	"hc/lib/stream"
)

// A fileEntry is a file or a link of a drive.
type fileEntry struct {
	Mode   fs.FileMode // permission bits
	SHA256 [32]byte    // of the content
	Target string      // of a link; "" for a file
}

// entryOf returns a drive's entry for an item; ok is false unless it is complete: those of other programs often lack mode,
// time or digest.
func entryOf(item hyperdrive.Item) (fileEntry, bool) {
	if item.Err != nil {
		return fileEntry{}, false
	}
	if item.Entry.Link != nil {
		return fileEntry{Target: *item.Entry.Link}, *item.Entry.Link != "" && len(*item.Entry.Link) <= stream.MaxPath
	}
	meta := hyperdrive.ParseMeta(item.Entry.Metadata)
	if item.Entry.Blob == nil || !meta.HasMode || !meta.HasModTime || meta.SHA256 == nil {
		return fileEntry{}, false
	}
	return fileEntry{Mode: meta.Mode, SHA256: *meta.SHA256}, true
}

// A named is what a version of a drive has under a path.
type named struct {
	path  string
	gone  bool // nothing
	entry fileEntry
	told  bool // entry is complete
}

func namedOf(item hyperdrive.Item) named {
	n := named{path: item.Name[1:]}
	n.entry, n.told = entryOf(item)
	return n
}

// names are the names of a drive, or those that differ from an older version, in the order of paths.
type names struct {
	batch   []named
	batches chan []named // the next ones; nil: there are none
	stop    context.CancelFunc
	strange bool  // there are names that are not paths, which are left out here
	failed  error // why no more batches come; set before the channel is closed
}

// namesTogether is how many names are read at once.
const namesTogether = 256

// listNames reads all names of a drive, along with the folder, until it is closed.
func listNames(ctx context.Context, d *drive.Drive) *names {
	ctx, stop := context.WithCancel(ctx)
	n := &names{batches: make(chan []named, 4), stop: stop}
	go func() {
		defer close(n.batches)
		n.failed = n.read(ctx, d)
	}()
	return n
}

func (n *names) read(ctx context.Context, d *drive.Drive) error {
	var batch []named
	hand := func() error {
		select {
		case n.batches <- batch:
			batch = make([]named, 0, namesTogether)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := d.List(ctx, "/", func(item hyperdrive.Item) error {
		if item.Err != nil && stream.CheckPath(item.Name[1:]) != nil {
			n.strange = true
			return nil
		}
		if batch = append(batch, namedOf(item)); len(batch) < namesTogether {
			return nil
		}
		return hand()
	})
	if err != nil {
		return err
	}
	return hand()
}

// mostChanged is how many names may differ between two versions of a drive: if there are more, all are listed.
const mostChanged = 64 << 10

var errManyChanged = errors.New("too many names have changed")

// changedNames reads the names that differ from an older version. ok is false if they are too many, or if older is not a
// version of the drive.
func changedNames(ctx context.Context, d *drive.Drive, older stream.Since) (n *names, ok bool, err error) {
	n = &names{}
	if older.Length > d.Version() || older.Length == 0 || older.Fork != d.Head.Fork {
		return nil, false, nil
	}
	before := d
	if older.Length < d.Version() {
		if before, err = d.At(ctx, older.Length); err != nil {
			return nil, false, notOne(ctx, err)
		}
	}
	if since, err := before.Since(ctx); err != nil || since != older {
		return nil, false, notOne(ctx, err)
	}
	err = d.Files().Diff(ctx, before.Files(), "/", func(was, is *hyperdrive.Item) error {
		return n.note(was, is)
	})
	if err != nil {
		return nil, false, notOne(ctx, err)
	}
	return n, true, nil
}

// notOne drops an error of looking at an older version, for which there is a fallback, unless ctx has ended.
func notOne(ctx context.Context, err error) error {
	if err != nil {
		return ctx.Err()
	}
	return nil
}

// note notes one name that differs.
func (n *names) note(was, is *hyperdrive.Item) error {
	item := is
	if is == nil {
		item = was
	}
	if item.Err != nil && stream.CheckPath(item.Name[1:]) != nil {
		n.strange = n.strange || is != nil
		return nil
	}
	if len(n.batch) == mostChanged {
		return errManyChanged
	}
	if is == nil {
		n.batch = append(n.batch, named{path: item.Name[1:], gone: true})
		return nil
	}
	n.batch = append(n.batch, namedOf(*item))
	return nil
}

// peek returns the next name, nil if there is none.
func (n *names) peek() (*named, error) {
	if n == nil {
		return nil, nil
	}
	for len(n.batch) == 0 && n.batches != nil {
		var ok bool
		if n.batch, ok = <-n.batches; !ok {
			n.batches = nil
			return nil, n.failed
		}
	}
	if len(n.batch) == 0 {
		return nil, n.failed
	}
	return &n.batch[0], nil
}

func (n *names) advance() { n.batch = n.batch[1:] }

// close ends the reading.
func (n *names) close() {
	if n == nil || n.stop == nil {
		return
	}
	n.stop()
	if n.batches == nil {
		return
	}
	for range n.batches {
	}
}
