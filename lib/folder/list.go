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

// List calls each for everything that Import would write with the same options, in the same order. It reads no content. With
// Since, files that the cache shows to be unchanged are not listed.
func List(ctx context.Context, sources []Source, opt Options, each func(Listed) error) error {
	if err := opt.prepare(); err != nil {
		return err
	}
	open, err := openSources(sources)
	if err != nil {
		return err
	}
	defer closeSources(open)
	past, err := openPast(ctx, open, &opt)
	if err != nil {
		return err
	}
	defer past.close()
	for i, s := range open {
		if err := past.list(ctx, s, i == len(open)-1, each); err != nil {
			return err
		}
	}
	return nil
}

func (p *past) list(ctx context.Context, s *source, last bool, each func(Listed) error) error {
	survey := p.survey(s)
	defer survey.cache.close()
	survey.kept = func(*record) error { return nil }
	survey.gone = func(string, *record) error { return nil }
	survey.found = func(j *job) error {
		if j.keep {
			return nil
		}
		l := Listed{Path: j.path(), Mode: j.stat.mode.Perm(), ModTime: j.stat.mtime, Target: j.target}
		if j.target == "" {
			l.Size = j.stat.size
		}
		return each(l)
	}
	return survey.run(ctx, s, last)
}

// cachePath returns where the stat cache of a source is, if it has one.
func (s *source) cachePath(opt *Options) (string, bool) {
	if opt.StatDir == "" || s.only != "" || len(s.places) == 0 {
		return "", false
	}
	return filepath.Join(opt.StatDir, cacheName(s.places[len(s.places)-1])), true
}

// openCache opens the stat cache of a source. It returns nil if there is none, or it is damaged.
func (s *source) openCache(opt *Options) *statCache {
	path, ok := s.cachePath(opt)
	if !ok {
		return nil
	}
	return openStatCache(path)
}
