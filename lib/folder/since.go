package folder

import (
	"context"

	"hc/lib/drive"
	"hc/lib/hyperdrive"
	"hc/lib/stream"
)

// A Base is a drive that an import builds on, at its newest version.
type Base struct {
	Since   *stream.Since
	Passed  func(name string) // told of the names that the folder has not, in order; nil: nobody
	batches chan []hyperdrive.Item
	batch   []hyperdrive.Item // what comes next
	stop    context.CancelFunc
	failed  error // why no more batches come; set before the channel is closed
}

// baseBatch is how many names are read at once.
const baseBatch = 256

// BuildOn returns a drive as a Base. Its names are read along with the folder, in one pass, until it is closed.
func BuildOn(ctx context.Context, d *drive.Drive) (*Base, error) {
	sum, err := d.TreeHash(ctx)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	b := &Base{
		Since:   &stream.Since{Fork: d.Head.Fork, Length: d.Version(), TreeHash: sum},
		batches: make(chan []hyperdrive.Item, 4), stop: stop,
	}
	go func() {
		defer close(b.batches)
		b.failed = b.read(ctx, d)
	}()
	return b, nil
}

// read hands on all names of the drive.
func (b *Base) read(ctx context.Context, d *drive.Drive) error {
	var batch []hyperdrive.Item
	hand := func() error {
		select {
		case b.batches <- batch:
			batch = make([]hyperdrive.Item, 0, baseBatch)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := d.List(ctx, "/", func(item hyperdrive.Item) error {
		if batch = append(batch, item); len(batch) < baseBatch {
			return nil
		}
		return hand()
	})
	if err != nil {
		return err
	}
	return hand()
}

// Close ends the reading.
func (b *Base) Close() {
	b.stop()
	for range b.batches {
	}
}

// Known is Options.Known.
func (b *Base) Known(_ context.Context, path string) (Entry, bool, error) {
	item, ok := b.next(path)
	if !ok || item.Name[1:] != path {
		return Entry{}, false, b.failure(ok)
	}
	b.batch = b.batch[1:]
	entry, ok := EntryOf(item)
	return entry, ok, nil
}

// Rest passes over the names that are left, behind the last one of the folder.
func (b *Base) Rest() error {
	for {
		if _, ok := b.next(""); !ok {
			return b.failure(ok)
		}
		b.pass()
	}
}

// next returns the first item at or behind a path, having passed over those before it; ok is false if there is none.
func (b *Base) next(path string) (item hyperdrive.Item, ok bool) {
	for {
		for len(b.batch) > 0 && b.batch[0].Name[1:] < path {
			b.pass()
		}
		if len(b.batch) > 0 {
			return b.batch[0], true
		}
		if b.batch, ok = <-b.batches; !ok {
			return item, false
		}
	}
}

// pass passes over an item.
func (b *Base) pass() {
	if b.Passed != nil {
		b.Passed(b.batch[0].Name)
	}
	b.batch = b.batch[1:]
}

// failure is why the names have ended, if they have.
func (b *Base) failure(more bool) error {
	if more {
		return nil
	}
	return b.failed
}

// EntryOf returns what a drive says of an item, if it says all of it: what others have written often lacks mode, time or
// digest.
func EntryOf(item hyperdrive.Item) (Entry, bool) {
	if item.Err != nil {
		return Entry{}, false
	}
	if item.Entry.Link != nil {
		return Entry{Target: *item.Entry.Link}, true
	}
	meta := hyperdrive.ParseMeta(item.Entry.Metadata)
	if item.Entry.Blob == nil || !meta.HasMode || !meta.HasModTime || meta.SHA256 == nil {
		return Entry{}, false
	}
	return Entry{Mode: meta.Mode, ModTime: meta.ModTime, SHA256: *meta.SHA256}, true
}
