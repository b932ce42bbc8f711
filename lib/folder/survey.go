package folder

import (
	"context"
	"strings"
)

// A survey goes through a source together with what is known from before, and reports for each path whether it is unchanged,
// gone, or has to be looked at. What is known comes from the stat cache and from the drive's names, both in the same order.
type survey struct {
	opt   *Options
	cache *statCache // nil: there is none
	holds bool       // what the cache says about the drive is true, except where names say otherwise
	led   bool       // the drive has what the folder had
	names *names     // nil: there is no drive

	kept  func(r *record) error              // called for an unchanged file
	gone  func(path string, r *record) error // called for a path that the drive has and the folder has not
	found func(j *job) error                 // called for everything else

	prefix  string  // of the source's paths
	now     *record // the next record, once it is known
	named   bool    // the names have it
	outside bool    // it is before or after the source, and has its whole path
	ending  bool    // no source has anything more
	ofName  record  // for paths that only the drive's names have
}

// known returns the next record of what is known, nil if there is none.
func (s *survey) known() (*record, error) {
	if s.now != nil {
		return s.now, nil
	}
	name, err := s.names.peek()
	if err != nil {
		return nil, err
	}
	cached := s.cache != nil && s.cache.ok
	s.outside = name != nil && !strings.HasPrefix(name.path, s.prefix)
	if s.outside && (name.path < s.prefix || s.ending && !cached) {
		return s.nameAlone(name, name.path), nil
	}
	if s.outside {
		name, s.outside = nil, false
	}
	switch {
	case name == nil && !cached:
		return nil, nil
	case name == nil:
		s.take(&s.cache.next, nil)
		return s.now, nil
	}
	path := name.path[len(s.prefix):]
	switch {
	case !cached || path < string(s.cache.next.path):
		return s.nameAlone(name, path), nil
	case path == string(s.cache.next.path):
		s.take(&s.cache.next, name)
	default:
		s.take(&s.cache.next, nil)
	}
	return s.now, nil
}

// nameAlone makes the next record one of a name that the cache does not have.
func (s *survey) nameAlone(n *named, path string) *record {
	s.ofName = record{path: append(s.ofName.path[:0], path...)}
	s.ofName.hold(n.entry, n.told)
	if n.gone {
		s.ofName.lose()
	}
	s.now, s.named = &s.ofName, true
	return s.now
}

// take makes the cache's record the next one, with what the names say about it; n is nil if they say nothing.
func (s *survey) take(r *record, n *named) {
	switch {
	case n != nil && !n.gone:
		r.hold(n.entry, n.told)
	case n != nil || !s.holds:
		r.lose()
	case s.led:
		r.gain()
	}
	s.now, s.named = r, n != nil
}

// pass moves past the next record.
func (s *survey) pass() error {
	r := s.now
	s.now = nil
	if s.named {
		s.names.advance()
	}
	if s.cache != nil && r == &s.cache.next {
		if err := s.cache.advance(); err != nil {
			return s.cache.failed(err)
		}
	}
	return nil
}

// lose is pass for a path that the source does not have.
func (s *survey) lose() error {
	if s.now.drive != hasNothing {
		path := string(s.now.path)
		if !s.outside {
			path = s.prefix + path
		}
		if err := s.gone(path, s.now); err != nil {
			return err
		}
	}
	return s.pass()
}

// look decides what becomes of a file or a link that was found.
func (s *survey) look(ctx context.Context, f *found) error {
	r, err := s.of(f)
	if err != nil {
		return err
	}
	if r != nil && s.isAsItWas(f, r) {
		if err := s.kept(r); err != nil {
			return err
		}
		return s.pass()
	}
	j := newJob(ctx, f, r, s.opt)
	if r != nil {
		if err := s.pass(); err != nil {
			return err
		}
	}
	return s.found(j)
}

// of returns what is known of a file or link that was found, nil if nothing is. Records before it are of paths that are gone.
func (s *survey) of(f *found) (*record, error) {
	for {
		r, err := s.known()
		if err != nil || r == nil {
			return nil, err
		}
		order := -1
		if !s.outside {
			order = r.compare(f.folder[len(s.prefix):], f.name)
		}
		switch {
		case order == 0:
			return r, nil
		case order > 0:
			return nil, nil
		}
		if err := s.lose(); err != nil {
			return nil, err
		}
	}
}

// isAsItWas reports whether the drive has a file as it is, as far as can be told without reading it.
func (s *survey) isAsItWas(f *found, r *record) bool {
	return r.told && r.drive == hasSame && !s.opt.Checksum && f.target == "" && f.stat.as(r.stat)
}

// run goes through a source; after the last one, also through the rest of what is known.
func (s *survey) run(ctx context.Context, of *source, last bool) error {
	err := newWalker(ctx, s.opt, func(f *found) error { return s.look(ctx, f) }).walk(of)
	if err != nil || !last {
		return err
	}
	return s.rest()
}

// rest moves past everything known after the last path that was found.
func (s *survey) rest() error {
	s.ending = true
	for {
		r, err := s.known()
		if err != nil || r == nil {
			return err
		}
		if err := s.lose(); err != nil {
			return err
		}
	}
}
