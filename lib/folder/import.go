package folder

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"hc/lib/chunk"
	"hc/lib/drive"
	"hc/lib/keys"
	"hc/lib/stream"
)

// Options say how a folder is imported. The zero value imports all of it, cut by Rabin's fingerprint.
type Options struct {
	Cutter chunk.Cutter // nil: Rabin with its default limits
	Lines  bool         // the cutter cuts lines

	Add bool // the stream only adds and overwrites: it has no tree frame

	Exclude, Include []string // patterns, as lines of an ignore file at the drive's root that overrides all others; first Exclude, then Include, negated
	SkipSpecial      bool     // leave out what a drive cannot hold with a warning, instead of failing with ErrSpecial

	Since    *drive.Drive // the version of a drive that the stream builds on; nil: it is self-contained
	Checksum bool         // read every file, whatever the cache says
	StatDir  string       // the folder of the stat caches; "": none are read or written

	// Leave has the paths of files that something writes to all the time. They are not read: the drive keeps them as Since has
	// them, or does not have them yet. Unless Leave is nil, small files that turn out to be such are left, too; a larger one ends
	// the import with a ChangedError, possibly after much of it was written.
	Leave map[string]bool

	Warn  func(text string) // called for what is left out or read again; may be nil
	Wrote func(bytes int)   // called for each block; may be nil

	rules rules            // of Exclude and Include
	now   func() time.Time // nil: time.Now
}

// Stats count what an import wrote.
type Stats struct {
	Files, Links, Kept uint64
	Bytes              uint64 // of the files that were written
}

// smallFile is the size in bytes up to which a file is read before its turn comes: at most window of them wait.
const (
	smallFile = 256 << 10
	window    = 64
)

// prepare checks the options and fills in the defaults.
func (o *Options) prepare() (err error) {
	if o.Since != nil && o.Add {
		return errors.New("folder: internal error: Since and Add do not fit")
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

// An Imported is the result of an import.
type Imported struct {
	Stats
	Left    []string // files that were left, see Options.Leave
	caches  []*statWriter
	whole   bool // one folder is all of the drive
	strange bool // the drive had names that are not paths
}

// Keep saves what is known of the files now, so that the next import need not read them. result, if there is one, is that of
// importing the stream into a drive.
func (i *Imported) Keep(result *drive.Result) (err error) {
	for _, cache := range i.caches {
		var led *stream.Since
		if i.strange {
			cache.since = stream.Since{}
		}
		if key, e := keyOf(result); e == nil && i.whole {
			cache.key, led = key, &result.Since
		}
		err = errors.Join(err, cache.keep(led))
	}
	if err != nil { // the next import has to read more, nothing else
		err = fmt.Errorf("what is known of the files was not saved: %w", err)
	}
	return err
}

func keyOf(result *drive.Result) (keys.Key, error) {
	if result == nil {
		return keys.Key{}, errors.New("no result")
	}
	return keys.ParseKey(result.Key)
}

// Drop discards what is known of the files. After Keep it does nothing.
func (i *Imported) Drop() {
	for _, cache := range i.caches {
		cache.drop()
	}
}

// importer is one import under way.
type importer struct {
	out   output
	opt   *Options
	past  *past
	work  chan *job   // to be loaded
	order chan step   // to be written, in this order
	run   []byte      // records of unchanged files since the last step
	kept  uint64      // number of unchanged files
	free  chan []byte // memory for runs
}

// A step is what comes next in the stream and in the cache.
type step struct {
	kept []byte // records of unchanged files
	job  *job   // after them; nil: nothing
}

// Import writes the content of sources to w, but does not close it: the caller does, once Import has returned nil. Files are
// read, through os.Root, while those before them are written. The content of a file is as it was at one moment, or the import
// fails. Keep or Drop the result once the stream is closed.
func Import(ctx context.Context, w *stream.Writer, sources []Source, opt Options) (*Imported, error) {
	done := &Imported{}
	if err := opt.prepare(); err != nil {
		return done, err
	}
	open, err := openSources(sources)
	if err != nil {
		return done, err
	}
	defer closeSources(open)
	past, err := openPast(ctx, open, &opt)
	if err != nil {
		return done, err
	}
	defer past.close()
	im := &importer{out: output{w: w, opt: &opt}, opt: &opt, past: past, free: make(chan []byte, window)}
	err = im.all(ctx, open, done)
	done.Left = im.out.left
	done.Stats, done.whole, done.strange = im.out.stats, past.whole, err == nil && past.strange()
	done.Kept += im.kept
	if err != nil {
		done.Drop()
	}
	return done, err
}

// all imports all sources.
func (im *importer) all(ctx context.Context, open []*source, done *Imported) error {
	if err := im.begin(); err != nil {
		return err
	}
	for i, s := range open {
		if path, ok := s.cachePath(im.opt); ok {
			im.out.cache = createStatCache(path, im.past.origin())
			done.caches = append(done.caches, im.out.cache)
		}
		if err := im.source(ctx, s, i == len(open)-1); err != nil {
			return err
		}
		im.out.cache = nil
	}
	if im.past.strange() {
		return im.out.w.Purge()
	}
	return nil
}

// begin writes the beginning of the stream.
func (im *importer) begin() error {
	switch {
	case im.opt.Add:
		return nil
	case im.opt.Since == nil:
		return im.out.w.Tree(nil)
	}
	return im.out.w.Changes(im.past.since)
}

// source imports one source.
func (im *importer) source(ctx context.Context, s *source, last bool) error {
	survey := im.past.survey(s)
	defer survey.cache.close()
	im.work, im.order = make(chan *job, window), make(chan step, window)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(im.work)
		defer close(im.order)
		survey.kept = func(r *record) error { return im.keep(ctx, r) }
		survey.gone = func(path string, r *record) error { return im.take(ctx, newLost(path, r)) }
		survey.found = func(j *job) error { return im.take(ctx, j) }
		if err := survey.run(ctx, s, last); err != nil {
			return err
		}
		return im.step(ctx, nil)
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

// mostRun is how many bytes of records are passed on at once.
const mostRun = statPage / 2

// keep takes in an unchanged file.
func (im *importer) keep(ctx context.Context, r *record) error {
	im.kept++
	switch {
	case im.out.cache == nil:
		return nil
	case r.raw != nil:
		im.run = append(im.run, r.raw...)
	default:
		im.run = r.append(im.run)
	}
	if len(im.run) < mostRun {
		return nil
	}
	return im.step(ctx, nil)
}

// step passes on a job after the records of unchanged files.
func (im *importer) step(ctx context.Context, j *job) error {
	if len(im.run) == 0 && j == nil {
		return nil
	}
	next := step{im.run, j}
	im.run = nil
	select {
	case im.run = <-im.free:
	default:
	}
	select {
	case im.order <- next:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take passes on a job, which is loaded meanwhile if it has to be.
func (im *importer) take(ctx context.Context, j *job) error {
	if !j.keep && j.target == "" && j.lost == "" {
		j.ready = make(chan struct{})
		select {
		case im.work <- j:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return im.step(ctx, j)
}

// write writes the jobs as they become ready.
func (im *importer) write(ctx context.Context) error {
	for {
		select {
		case next, ok := <-im.order:
			if !ok {
				return ctx.Err()
			}
			if err := im.out.step(ctx, next); err != nil {
				return err
			}
			if cap(next.kept) == 0 {
				continue
			}
			select {
			case im.free <- next.kept[:0]:
			default:
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// mostSeconds is how many seconds from 1970 on fit into 64 bits of nanoseconds.
const mostSeconds = math.MaxInt64 / int64(time.Second)

// nanoseconds returns t as a stream has it. far says that t does not fit; then ns is the last time that does, or the first.
func nanoseconds(t time.Time) (ns int64, far bool) {
	switch s := t.Unix(); {
	case s >= mostSeconds:
		return math.MaxInt64, true
	case s <= -mostSeconds:
		return math.MinInt64, true
	}
	return t.UnixNano(), false
}
