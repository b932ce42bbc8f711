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
	for {
		for len(b.batch) > 0 && b.batch[0].Name[1:] < path {
			b.batch = b.batch[1:]
		}
		if len(b.batch) > 0 {
			break
		}
		batch, ok := <-b.batches
		if !ok {
			return Entry{}, false, b.failed
		}
		b.batch = batch
	}
	if b.batch[0].Name[1:] != path {
		return Entry{}, false, nil
	}
	entry, ok := EntryOf(b.batch[0])
	return entry, ok, nil
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
