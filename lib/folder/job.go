package folder

import (
	"context"
	"errors"
	"fmt"
	"hc/lib/hyperdrive"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"hc/lib/chunk"
	"hc/lib/hash/simd"
)

// A job is a file or a link on its way from the disk into the stream, or a path that the folder no longer has.
type job struct {
	found
	ctx   context.Context
	lost  string        // a path that is gone; "": it is something that was found
	ready chan struct{} // closed once it is loaded; nil: there is nothing to load

	known *fileEntry // the drive's entry, if it might be the same
	had   record     // what the drive has, and nothing else
	keep  bool       // the drive's entry is the same

	sum    [32]byte // of its content
	summed bool

	taken time.Time // the time before it was read; zero: it was not read
	data  []byte    // of a small file
	cuts  []int     // where its chunks end
	large bool      // it is read when its turn comes
	gone  bool      // it was deleted after it was found
	left  bool      // it stays as the drive has it, see Options.Leave
	err   error
}

// newJob makes a job of what was found. From the record, without reading, it finds out whether the drive has it.
func newJob(ctx context.Context, f *found, r *record, opt *Options) *job {
	j := &job{found: *f, ctx: ctx}
	if r == nil {
		return j
	}
	j.had.drive = r.drive
	if known, ok := r.known(); ok {
		j.known, j.had.drive, j.had.other = &known, hasOther, known
	}
	if r.told && f.target == "" && !opt.Checksum && f.stat.as(r.stat) {
		j.sum, j.summed = r.entry.SHA256, true
	}
	j.keep = j.known != nil && (j.isLink() || j.summed && j.same())
	return j
}

// newLost makes a job of a path that the drive has and the folder has not.
func newLost(path string, r *record) *job {
	j := &job{lost: path}
	j.had.drive, j.had.other = r.drive, r.other
	if r.drive == hasSame {
		j.had.drive, j.had.other = hasOther, r.entry
	}
	return j
}

// isLink reports whether it is a link that the drive has.
func (j *job) isLink() bool {
	return j.target != "" && (j.known.Target == j.target || hyperdrive.LinkTarget(j.path(), j.known.Target) == j.target)
}

// record returns what is known of the path now, for the next import.
func (j *job) record() record {
	r := j.had
	if j.lost != "" {
		r.path = []byte(j.lost)
		return r
	}
	r.path = []byte(j.below())
	switch {
	case j.gone, j.left:
		return r
	case j.target != "":
		r.here, r.entry = hereLink, fileEntry{Target: j.target}
	default:
		r.here, r.entry = hereFile, fileEntry{Mode: j.stat.mode.Perm(), SHA256: j.sum}
		r.stat, r.told = j.stat, j.taken.IsZero() || !isRacy(j.stat, j.taken)
	}
	if j.keep {
		r.entry = *j.known
	}
	if r.drive == hasOther && r.entry == r.other {
		r.drive, r.other = hasSame, fileEntry{}
	}
	return r
}

// mayBeSame reports whether the drive has a file with the same mode. A different time alone is no change: a copy has one.
func (j *job) mayBeSame() bool {
	return j.known != nil && j.known.Target == "" && j.known.Mode == j.stat.mode.Perm()
}

// same reports whether the drive has the file, whose sum is known, as it is.
func (j *job) same() bool { return j.mayBeSame() && j.known.SHA256 == j.sum }

// maxTries is how often a file is read if it changes meanwhile.
const maxTries = 4

// load reads a small file, and finds out whether a large one is what the drive has.
func (j *job) load(opt *Options) {
	if j.left = opt.Leave[j.path()]; j.left {
		return
	}
	for try := 1; ; try++ {
		j.err = j.loadOnce(opt)
		if !errors.Is(j.err, ErrChanged) || j.ctx.Err() != nil {
			return
		}
		if try == maxTries {
			if j.left = opt.Leave != nil; j.left {
				j.err = nil
			}
			return
		}
		if j.err = j.lookAgain(opt, j.err); j.err != nil || j.gone {
			return
		}
	}
}

// openStill opens a large file as it is now: it may have been written to while the files before it were read.
func (j *job) openStill(opt *Options) (*contentReader, error) {
	for try := 1; ; try++ {
		r, err := j.open(opt)
		if !errors.Is(err, ErrChanged) || try == maxTries || j.ctx.Err() != nil {
			return r, err
		}
		if err := j.lookAgain(opt, err); err != nil || j.gone {
			return nil, err
		}
	}
}

// lookAgain makes the job one of the file as it is now. If it is no longer a file, it returns changed, the error that made it
// look.
func (j *job) lookAgain(opt *Options, changed error) error {
	stat, err := j.statAgain()
	if errors.Is(err, fs.ErrNotExist) {
		j.gone = true
		return nil
	}
	if err != nil || !stat.mode.IsRegular() {
		return changed
	}
	opt.warn("%q %v: reading it again", j.path(), ErrChanged)
	j.stat = stat
	return nil
}

func (j *job) statAgain() (fileStat, error) {
	name := j.below()
	at, err := j.source.root.OpenRoot(path.Dir(name))
	if err != nil {
		return fileStat{}, err
	}
	defer at.Close() // only read from
	dir, err := at.Open(".")
	if err != nil {
		return fileStat{}, err
	}
	defer dir.Close() // only read from
	return lstat(at, dir, path.Base(name))
}

func (j *job) loadOnce(opt *Options) error {
	j.large, j.summed = j.stat.size > smallFile, false
	if j.large && !j.mayBeSame() {
		return nil
	}
	r, err := j.open(opt)
	if err != nil {
		return err
	}
	defer r.Close() // only read from
	if j.large {
		return j.compare(r)
	}
	j.data = make([]byte, j.stat.size+1) // one byte more, to see the end
	n, err := readFull(r, j.data)
	if err != nil {
		return err
	}
	if j.data = j.data[:n]; int64(n) != j.stat.size {
		return ErrChanged
	}
	if err := r.unchanged(); err != nil {
		return err
	}
	if j.known != nil || opt.StatDir != "" {
		j.sum, j.summed = simd.SHA256(j.data), true
		j.keep = j.same()
	}
	if !j.keep {
		j.cuts, err = cutAll(j.cuts[:0], j.data, opt.Cutter)
	}
	return err
}

// compare finds out whether a large file is what the drive has.
func (j *job) compare(r *contentReader) error {
	sum := simd.NewSHA256()
	if _, err := io.Copy(sum, r); err != nil {
		return err
	}
	if err := r.unchanged(); err != nil {
		return err
	}
	sum.Sum(j.sum[:0])
	j.summed, j.keep = true, j.same()
	return nil
}

// cutAll appends to cuts where the chunks of data end.
func cutAll(cuts []int, data []byte, cutter chunk.Cutter) ([]int, error) {
	for at := 0; at < len(data); {
		n := cutter.Cut(data[at:], true)
		if n <= 0 || n > cutter.Max() {
			return cuts, fmt.Errorf("line at byte %d: %w: over %d bytes", at, chunk.ErrTooLong, cutter.Max())
		}
		at += n
		cuts = append(cuts, at)
	}
	return cuts, nil
}

// A contentReader reads a file that was found, and checks whether it changed meanwhile.
type contentReader struct {
	*os.File
	ctx    context.Context
	before fileStat
	n      int64
}

// open opens the job's file; reading ends with an error when the context does.
func (j *job) open(opt *Options) (*contentReader, error) {
	j.taken = opt.now()
	file, err := openSame(j.source.root, j.below(), j.stat)
	if err != nil {
		return nil, err
	}
	before, err := fstat(file)
	if err == nil && !before.as(j.stat) {
		err = ErrChanged
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &contentReader{File: file, ctx: j.ctx, before: before}, nil
}

func (r *contentReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.File.Read(p)
	r.n += int64(n)
	return n, err
}

// WriteTo uses Read: that of os.File would bypass it.
func (r *contentReader) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{r})
}

// unchanged returns ErrChanged unless the file, which has been read to its end, is as it was when it was opened.
func (r *contentReader) unchanged() error {
	after, err := fstat(r.File)
	if err != nil {
		return err
	}
	if r.n != r.before.size || !after.as(r.before) {
		return ErrChanged
	}
	return nil
}

// readFull fills p, or reads as much as there is.
func readFull(r io.Reader, p []byte) (int, error) {
	n, err := io.ReadFull(r, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n, err
}
