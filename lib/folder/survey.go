package folder

import (
	"context"
	"strings"
)

// A survey goes through a source, with all that is known from before: it says of each path whether it is as it was, is gone,
// or has to be looked at. What is known comes from two sides that stand in one order, the stat cache and the drive's names.
type survey struct {
	opt   *Options
	cache *statCache // nil: there is none
	holds bool       // what the cache says of the drive is true, but for what names say
	led   bool       // the drive has what the folder had
	names *names     // nil: there is no drive

	kept  func(r *record) error              // the file is as it was
	gone  func(path string, r *record) error // the drive has it, and the folder has not
	found func(j *job) error                 // all else

	prefix  string  // of what is in the source
	now     *record // what comes next, if that is found out
	named   bool    // the names tell of it
	outside bool    // it is before the source, or behind, and its path the whole one
	ending  bool    // nothing more is found, in no source
	ofName  record  // for what the drive's names alone tell of
}

// known returns what is known of the path that comes next; nil if nothing is.
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

// nameAlone is a record of a name that the cache does not have.
func (s *survey) nameAlone(n *named, path string) *record {
	s.ofName = record{path: append(s.ofName.path[:0], path...)}
	s.ofName.hold(n.entry, n.told)
	if n.gone {
		s.ofName.lose()
	}
	s.now, s.named = &s.ofName, true
	return s.now
}

// take makes the cache's record the one that comes next, with what the names say of it; nil: nothing.
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

// pass goes on behind the record that comes next.
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

// lose is pass for what the source does not have.
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

// look says what is to become of a file or a link that was found.
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

// of returns what is known of what was found; nil if nothing is. What comes before it is gone.
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

// isAsItWas reports whether the drive has a file as it is, which need not be read for that.
func (s *survey) isAsItWas(f *found, r *record) bool {
	return r.told && r.drive == hasSame && !s.opt.Checksum && f.target == "" && f.stat.as(r.stat)
}

// run goes through a source; if it is the last one, also through all that is known behind it.
func (s *survey) run(ctx context.Context, of *source, last bool) error {
	err := newWalker(ctx, s.opt, func(f *found) error { return s.look(ctx, f) }).walk(of)
	if err != nil || !last {
		return err
	}
	return s.rest()
}

// rest passes over all that is known behind the last that was found.
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
