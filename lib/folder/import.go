package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"hc/lib/chunk"
	"hc/lib/stream"
)

// Options say how a folder is imported. The zero value imports all of it, cut by Rabin's fingerprint.
type Options struct {
	Cutter chunk.Cutter // nil: Rabin with its default limits
	Lines  bool         // what it cuts are lines

	Add bool // the stream only adds and overwrites: it has no tree frame

	Exclude, Include []string // patterns, as lines of an ignore file at the drive's root that is stronger than all; the latter negated, behind the former
	SkipSpecial      bool     // what a drive does not hold is left out with a warning, in place of ErrSpecial

	Since    *stream.Since // the import that the stream builds on; nil: it stands by itself
	Known    Known         // the drive as that import left it; needed with Since
	Checksum bool          // read every file, whatever the cache says
	StatDir  string        // the folder of the stat caches; "": none are read or written

	Warn  func(text string) // called for what is left out or read again; may be nil
	Wrote func(bytes int)   // called for each block; may be nil

	rules rules            // of Exclude and Include
	now   func() time.Time // nil: time.Now
}

// Known returns what a drive has at path. It is asked for paths in the order of the drive's keys, each one once.
type Known func(ctx context.Context, path string) (entry Entry, ok bool, err error)

// An Entry is a file or a link of a drive.
type Entry struct {
	Mode    fs.FileMode // permission bits
	ModTime int64       // nanoseconds since 1970
	SHA256  [32]byte    // of the content
	Target  string      // of a link; "" for a file
}

// Stats count what went into a stream.
type Stats struct {
	Files, Links, Kept uint64
	Bytes              uint64 // of files that were written
}

// smallFile is the most bytes of a file that is read before its turn comes: at most window of them wait.
const (
	smallFile = 256 << 10
	window    = 64
)

// prepare checks the options and fills in what they leave open.
func (o *Options) prepare() (err error) {
	if (o.Since != nil) != (o.Known != nil) || o.Since != nil && o.Add {
		return errors.New("folder: internal error: Since, Known and Add do not fit")
	}
	if o.Cutter == nil {
		if o.Cutter, err = chunk.NewRabin(chunk.Limits{}); err != nil {
			return err
		}
	}
	if o.now == nil {
		o.now = time.Now
	}
	o.rules, err = optionRules(o.Exclude, o.Include)
	return err
}

func (o *Options) warn(format string, args ...any) {
	if o.Warn != nil {
		o.Warn(fmt.Sprintf(format, args...))
	}
}

// importer is one import on its way.
type importer struct {
	out   output
	opt   *Options
	work  chan *job // to be loaded
	order chan *job // to be written, in this order
}

// Import writes what sources hold to w, but does not close it: that is for the caller to do, once it has returned nil.
// Files are read, through os.Root, while those before them are written; the content of a folder's file is as it was at
// one moment, or the import fails.
func Import(ctx context.Context, w *stream.Writer, sources []Source, opt Options) (Stats, error) {
	if err := opt.prepare(); err != nil {
		return Stats{}, err
	}
	open, err := openSources(sources)
	if err != nil {
		return Stats{}, err
	}
	defer closeSources(open)
	if !opt.Add {
		if err := w.Tree(opt.Since); err != nil {
			return Stats{}, err
		}
	}
	im := &importer{
		out: output{w: w, opt: &opt}, opt: &opt,
		work: make(chan *job, window), order: make(chan *job, window),
	}
	for _, s := range open {
		if err := im.source(ctx, s); err != nil {
			return im.out.stats, err
		}
	}
	return im.out.stats, nil
}

// source imports one source.
func (im *importer) source(ctx context.Context, s *source) (err error) {
	if path, ok := s.cachePath(im.opt); ok {
		s.cache = openStatCache(path)
		s.cache.create()
		defer func() {
			if e := s.cache.close(err == nil); e != nil { // it costs reading, nothing else
				im.opt.warn("what is known of files was not kept: %v", e)
			}
		}()
	}
	im.work, im.order = make(chan *job, window), make(chan *job, window)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(im.work)
		defer close(im.order)
		w := walker{ctx: ctx, opt: im.opt, each: func(f found) error { return im.take(ctx, f) }}
		return w.walk(s)
	})
	for range min(runtime.GOMAXPROCS(0), 8) {
		group.Go(func() error {
			for j := range im.work {
				j.load(im.opt)
				close(j.ready)
			}
			return nil
		})
	}
	group.Go(func() error { return im.write(ctx) })
	return group.Wait()
}

// take makes a job of what was found.
func (im *importer) take(ctx context.Context, f found) error {
	j := &job{found: f, ctx: ctx, ready: make(chan struct{})}
	if err := j.decide(im.opt); err != nil {
		return err
	}
	work := im.work
	if j.keep || j.target != "" {
		close(j.ready)
		work = nil
	}
	for order := im.order; work != nil || order != nil; {
		select {
		case work <- j:
			work = nil
		case order <- j:
			order = nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// write writes the jobs as they become ready.
func (im *importer) write(ctx context.Context) error {
	for {
		select {
		case j, ok := <-im.order:
			if !ok {
				return ctx.Err()
			}
			select {
			case <-j.ready:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := im.out.job(j); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// nanoseconds returns t as a stream has it.
func nanoseconds(t time.Time) (int64, error) {
	const most = math.MaxInt64 / int64(time.Second)
	if s := t.Unix(); s <= -most || s >= most {
		return 0, fmt.Errorf("its time, in the year %d, does not fit into 64 bits of nanoseconds", t.Year())
	}
	return t.UnixNano(), nil
}
