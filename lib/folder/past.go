package folder

import (
	"context"
	"fmt"

	"hc/lib/drive"
	"hc/lib/stream"
)

// A past is what an import builds on: what the drive has, and what is known of files.
type past struct {
	opt   *Options
	since stream.Since
	whole bool       // one folder is all of the drive
	cache *statCache // of that folder; nil: there is none
	holds bool       // what it says about the drive is true, except where names say otherwise
	led   bool       // it is of a version that has what the folder had
	names *names     // nil: there is no drive
}

// openPast finds out what is known. The caller closes it at the end.
func openPast(ctx context.Context, open []*source, opt *Options) (*past, error) {
	p := &past{opt: opt, whole: len(open) == 1 && open[0].only == "" && open[0].as == "" && !opt.Add}
	if p.whole {
		p.cache = open[0].openCache(opt)
	}
	if opt.Since == nil {
		return p, nil
	}
	err := p.follow(ctx, opt.Since)
	if err == nil && !p.holds {
		p.names = listNames(ctx, opt.Since)
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("reading the names of version %d: %w", opt.Since.Version(), err)
	}
	return p, nil
}

// follow finds out whether the cache is of an older version of the drive, or of this one, and how this one differs from it.
// So the changes of versions published by others, or by a process that was killed before it wrote the cache, are known, too.
func (p *past) follow(ctx context.Context, d *drive.Drive) (err error) {
	if p.since, err = d.Since(ctx); err != nil || p.cache == nil || p.cache.key != d.Key || p.opt.Checksum {
		return err
	}
	p.led = true
	p.names, p.holds, err = changedNames(ctx, d, p.cache.led)
	if err == nil && !p.holds {
		p.led = false
		p.names, p.holds, err = changedNames(ctx, d, p.cache.since)
	}
	return err
}

// close closes the cache and the names.
func (p *past) close() {
	p.cache.close()
	p.names.close()
}

// strange reports whether the drive has names that are not paths. It is known once all are read.
func (p *past) strange() bool { return p.names != nil && p.names.strange }

// origin returns which drive the cache is of that the import leaves.
func (p *past) origin() (o statOrigin) {
	if p.whole && p.opt.Since != nil {
		o.key, o.since = p.opt.Since.Key, p.since
	}
	return o
}

// survey begins to go through a source, in the order of sources. Close its cache at the end.
func (p *past) survey(s *source) *survey {
	sv := &survey{opt: p.opt, cache: p.cache, holds: p.holds, led: p.led, names: p.names}
	if !p.whole {
		sv.cache = s.openCache(p.opt)
	}
	if s.only == "" {
		sv.prefix = s.prefix()
	}
	return sv
}
