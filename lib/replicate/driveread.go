package replicate

import (
	"context"

	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// FilesAt returns the tree of names at another version, at most the newest one.
func (d *Drive) FilesAt(version uint64) *hyperdrive.Drive {
	return hyperdrive.Open(d.names, min(version, d.head.Length))
}

// AwaitSaved returns once everything received by now is in the store, the blobs before the names.
func (d *Drive) AwaitSaved(ctx context.Context) error {
	d.mu.Lock()
	blobs := d.blobs
	d.mu.Unlock()
	if blobs != nil {
		if err := blobs.AwaitSaved(ctx); err != nil {
			return err
		}
	}
	return d.names.AwaitSaved(ctx)
}

// Ref returns a citation of the drive's version.
func (d *Drive) Ref(ctx context.Context) (keys.Ref, error) {
	roots, err := merkle.RootsFrom(ctx, d.names, d.files.Version())
	if err != nil {
		return keys.Ref{}, err
	}
	sum := merkle.TreeHash(roots)
	return keys.Ref{Key: d.key, Pinned: true, Fork: d.head.Fork, Length: d.files.Version(), TreeHash: &sum}, nil
}

// Soon says that the content of these files will be read next, and returns what it needs. Fetching begins at once, as far as
// there is room for unread blocks.
func (d *Drive) Soon(ctx context.Context, items []hyperdrive.Item) (plan DrivePlan, err error) {
	var mapped []hyperdrive.Item
	for _, item := range items {
		switch blob := item.Entry.Blob; {
		case item.Err != nil || blob == nil:
			continue
		case blob.Map && !blob.Empty():
			mapped = append(mapped, item)
			fallthrough
		default:
			plan.Files++
			plan.add(*blob)
		}
	}
	if err := d.planMapped(ctx, &plan, mapped); err != nil {
		return plan, err
	}
	if err := d.count(ctx, &plan); err != nil || plan.Missing == 0 {
		return plan, err
	}
	blobs, err := d.openBlobs()
	if err != nil {
		return plan, err
	}
	if err := d.reach(ctx, blobs, plan.most); err != nil {
		return plan, err
	}
	blobs.Want(plan.runs...)
	return plan, nil
}

// AwaitHistory waits until every block of names has come, or no peer has it, for a drive with Names: no file needs the oldest.
func (d *Drive) AwaitHistory(ctx context.Context) error { return d.names.AwaitWants(ctx) }
