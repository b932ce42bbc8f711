package folder

import (
	"context"
	"io/fs"
	"path/filepath"

	"hc/lib/stream"
)

// A Listed is a file or a link that Import would write.
type Listed struct {
	Path    string
	Size    int64 // of a file, in bytes
	Mode    fs.FileMode
	ModTime int64  // nanoseconds since 1970
	Target  string // of a link; "" for a file
}

// Kind returns the kind of its frame.
func (l Listed) Kind() stream.Kind {
	if l.Target != "" {
		return stream.KindLink
	}
	return stream.KindFile
}

// List calls each for what Import would write with the same options, in its order. No content is read; with Known, what the
// cache shows to be unchanged is not listed.
func List(ctx context.Context, sources []Source, opt Options, each func(Listed) error) error {
	if err := opt.prepare(); err != nil {
		return err
	}
	open, err := openSources(sources)
	if err != nil {
		return err
	}
	defer closeSources(open)
	for _, s := range open {
		if path, ok := s.cachePath(&opt); ok {
			s.cache = openStatCache(path)
			defer s.cache.closeIn()
		}
		w := walker{ctx: ctx, opt: &opt, each: func(f found) error {
			j := &job{found: f, ctx: ctx}
			if err := j.decide(&opt); err != nil || j.keep {
				return err
			}
			return each(Listed{f.path, j.size(), f.info.Mode().Perm(), j.mtime, f.target})
		}}
		if err := w.walk(s); err != nil {
			return err
		}
	}
	return nil
}

// size returns the bytes of a file, 0 of a link.
func (j *job) size() int64 {
	if j.target != "" {
		return 0
	}
	return j.info.Size()
}

// cachePath returns where the stat cache of a source is, if it has one.
func (s *source) cachePath(opt *Options) (string, bool) {
	if opt.StatDir == "" || s.only != "" || len(s.places) == 0 {
		return "", false
	}
	return filepath.Join(opt.StatDir, cacheName(s.places[len(s.places)-1])), true
}
