package worktree

import (
	"context"
	"errors"
	"io"

	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/replicate"
)

// PullOptions say where a drive's newest version comes from, and how the folder is updated.
type PullOptions struct {
	Drive  replicate.DriveOptions // Store is set by Pull
	Update UpdateOptions
	Pin    keys.Ref // the version that is wanted; not pinned: the newest

	// Pulled is called for each version that is in the folder, for the first one even if it was there already; may be nil.
	Pulled func(ref keys.Ref, done Updated)
}

// pulling is a drive that is being fetched.
type pulling struct {
	want    keys.Ref
	options replicate.DriveOptions
	from    *replicate.Drive // nil: it could not be opened again
}

// open connects to the peers.
func (p *pulling) open(ctx context.Context) (err error) {
	p.from, err = replicate.OpenDrive(ctx, p.want, p.options)
	return err
}

func (p *pulling) close() error {
	if p.from == nil {
		return nil
	}
	return p.from.Close()
}

// newest returns the newest version.
func (p *pulling) newest() arriving { return arriving{p.from, p, p.from.Files()} }

// arriving is a version of a drive that is being fetched, as a Source.
type arriving struct {
	*replicate.Drive
	pulling *pulling
	files   *hyperdrive.Drive
}

// Files implements Source.
func (a arriving) Files() *hyperdrive.Drive { return a.files }

// Before implements Source. Blocks of an older version that the store lacks come from peers, too.
func (a arriving) Before(_ context.Context, version uint64) (Source, error) {
	return arriving{a.Drive, a.pulling, a.FilesAt(version)}, nil
}

// Afresh implements Source.
func (a arriving) Afresh(ctx context.Context) (Source, error) {
	p := a.pulling
	if err := p.close(); err != nil {
		return nil, err
	}
	if err := p.open(ctx); err != nil {
		return nil, err
	}
	return p.newest().Before(ctx, a.files.Version())
}

// Length implements Source.
func (a arriving) Length() (uint64, error) {
	blobs, err := a.Blobs()
	if err != nil {
		return 0, err
	}
	return blobs.Length(), nil
}

// Complete implements Source.
func (a arriving) Complete(ctx context.Context, items []hyperdrive.Item) error {
	plan, err := a.Drive.Soon(ctx, items)
	if err != nil {
		return err
	}
	return a.FetchAll(ctx, plan)
}

// Kept implements Source.
func (a arriving) Kept(ctx context.Context) error { return a.AwaitSaved(ctx) }

// Soon implements Source.
func (a arriving) Soon(ctx context.Context, items []hyperdrive.Item) error {
	_, err := a.Drive.Soon(ctx, items)
	return err
}

// Pull brings the newest version that peers have into the folder; with Drive.Live, each newer one until ctx ends.
func (t *Tree) Pull(ctx context.Context, options PullOptions) (err error) {
	options.Drive.Store = t.in
	want := options.Pin
	want.Key = t.key
	t.Pin(want.Pinned)
	options.Drive.Names, options.Drive.Files = true, true
	p := &pulling{want: want, options: options.Drive}
	if err := p.open(ctx); err != nil {
		return err
	}
	defer func() {
		if closeErr := p.close(); err == nil {
			err = closeErr
		}
	}()
	for {
		ref, err := p.from.Ref(ctx)
		if err != nil {
			return err
		}
		done, err := t.Update(ctx, ref, p.newest(), options.Update)
		if err != nil {
			return err
		}
		if options.Pulled != nil {
			options.Pulled(ref, done)
		}
		if !options.Drive.Live {
			return p.from.AwaitHistory(ctx)
		}
		if p.from.Files().Version() > ref.Length { // it came while peers were asked afresh
			continue
		}
		if err := p.from.Next(ctx); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
