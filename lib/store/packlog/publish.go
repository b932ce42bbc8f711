package packlog

import (
	"context"
	"fmt"
)

// Publish puts finished rewrites, in the log's order, in the place of the old packs. The caller holds the lock "use"
// alone, so no append is under way. Publish takes "append", recovers if that is needed, and calls check with what is
// readable then; an error from check leaves everything as it is. derived is called when the new packs are durable and
// before the old ones are gone. ErrOvertaken says that somebody recovered since the view of NewRewrite.
func (l *Log) Publish(ctx context.Context, rewrites []*Rewrite, check func(View) error, derived func() error) error {
	return l.asWriter(ctx, func() error { return l.publishTidied(ctx, rewrites, check, derived) })
}

func (l *Log) publishTidied(ctx context.Context, rewrites []*Rewrite, check func(View) error, derived func() error) error {
	c, err := l.load(ctx)
	if err != nil {
		return err
	}
	for _, r := range rewrites {
		if !r.fits(c) {
			return fmt.Errorf("pack %d: %w", r.info.sequence, ErrOvertaken)
		}
	}
	m := l.marked
	if err := check(View{Synced: m.Synced, Readable: m.Readable, Closer: c.closer, chain: c}); err != nil {
		return err
	}
	return l.publish(ctx, rewrites, derived)
}

// fits reports whether the folder still has the packs that the rewrite was made from.
func (r *Rewrite) fits(c *chain) bool {
	if c.closer != r.closer {
		return false
	}
	for i := range r.extents {
		old, now := &r.extents[i], c.find(r.extents[i].info.sequence)
		if now == nil || now.bad != nil || now.info != old.info || now.limit != old.limit || now.info.through > r.info.through {
			return false
		}
	}
	next := c.find(r.info.through + 1)
	return next != nil && next.info.sequence == r.info.through+1
}

func (l *Log) publish(ctx context.Context, rewrites []*Rewrite, derived func() error) error {
	if err := l.anotherFolder(); err != nil {
		return err
	}
	for _, r := range rewrites {
		if err := l.fs.Rename(l.path(packsDir, r.temp), l.path(packsDir, r.info.name())); err != nil {
			return err
		}
		r.done = true
		_ = r.file.Close() // it is synced
		// One by one: what a pack left out may depend on what an earlier one has.
		if err := l.fs.SyncDir(l.path(packsDir)); err != nil {
			return err
		}
	}
	if _, err := l.load(ctx); err != nil {
		return err
	}
	if err := derived(); err != nil {
		return err
	}
	if err := l.sweepPacks(ctx); err != nil {
		return err
	}
	if err := l.anotherFolder(); err != nil {
		return err
	}
	return l.loadLocked(ctx)
}

// anotherFolder makes readers read the folder again.
func (l *Log) anotherFolder() error {
	m := l.marked
	var err error
	if m.Folder, err = randomID(); err != nil {
		return err
	}
	return l.raise(m)
}
