package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"hc/lib/chunk"
	"hc/lib/hash"
)

// A job is a file or a link on its way from the disk into the stream.
type job struct {
	found
	ctx   context.Context
	ready chan struct{} // closed once it is loaded

	mtime int64
	known *Entry // what the drive has, if it might be the same
	keep  bool   // it is the same

	sum    [32]byte // of its content
	summed bool

	taken time.Time // before it was read
	data  []byte    // of a small file
	cuts  []int     // where its chunks end
	large bool      // it is read when its turn comes
	gone  bool      // it was deleted since it was found
	err   error
}

// decide finds out, by what is known and without reading, whether the drive has it.
func (j *job) decide(opt *Options) (err error) {
	if j.mtime, err = nanoseconds(j.info.ModTime()); err != nil {
		return fmt.Errorf("%q: %w", j.path, err)
	}
	if j.source.cache != nil && j.target == "" {
		j.sum, j.summed = j.source.cache.lookup(j.name, j.info)
		j.summed = j.summed && !opt.Checksum
	}
	if opt.Known == nil {
		return nil
	}
	known, ok, err := opt.Known(j.ctx, j.path)
	if err != nil {
		return fmt.Errorf("looking up %q: %w", j.path, err)
	}
	if ok {
		j.known = &known
	}
	j.keep = j.known != nil && (j.target != "" && (known.Target == j.target || LinkTarget(j.path, known.Target) == j.target) || j.summed && j.same())
	return nil
}

// mayBeSame reports whether the drive has a file with the same mode. Another time alone is no change: a copy has one.
func (j *job) mayBeSame() bool {
	return j.known != nil && j.known.Target == "" && j.known.Mode == j.info.Mode().Perm()
}

// same reports whether the drive has the file, whose sum is known, as it is.
func (j *job) same() bool { return j.mayBeSame() && j.known.SHA256 == j.sum }

// maxTries is how often a file is read that changes meanwhile.
const maxTries = 4

// load reads a small file, and finds out whether a large one is what the drive has.
func (j *job) load(opt *Options) {
	for try := 1; ; try++ {
		j.err = j.loadOnce(opt)
		if !errors.Is(j.err, ErrChanged) || try == maxTries || j.ctx.Err() != nil {
			return
		}
		info, err := j.source.root.Lstat(j.name)
		if errors.Is(err, fs.ErrNotExist) {
			j.gone, j.err = true, nil
			return
		}
		if err != nil || !info.Mode().IsRegular() {
			return // as it was
		}
		opt.warn("%q %v: reading it again", j.path, ErrChanged)
		j.info = info
		if j.mtime, j.err = nanoseconds(info.ModTime()); j.err != nil {
			return
		}
	}
}

func (j *job) loadOnce(opt *Options) error {
	j.large, j.summed = j.info.Size() > smallFile, false
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
	j.data = make([]byte, j.info.Size()+1) // one more, to see its end
	n, err := readFull(r, j.data)
	if err != nil {
		return err
	}
	if j.data = j.data[:n]; int64(n) != j.info.Size() {
		return ErrChanged
	}
	if err := r.unchanged(); err != nil {
		return err
	}
	if opt.Known != nil || j.source.cache != nil {
		j.sum, j.summed = hash.SHA256(j.data), true
		j.keep = j.same()
	}
	if !j.keep {
		j.cuts, err = cutAll(j.cuts[:0], j.data, opt.Cutter)
	}
	return err
}

// compare finds out whether a large file is what the drive has.
func (j *job) compare(r *contentReader) error {
	sum := hash.NewSHA256()
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

// A contentReader reads a file that was found, and tells whether it changed meanwhile.
type contentReader struct {
	*os.File
	ctx    context.Context
	before fs.FileInfo
	n      int64
}

// open opens the job's file; reading ends with an error when the context does.
func (j *job) open(opt *Options) (*contentReader, error) {
	j.taken = opt.now()
	file, err := openSame(j.source.root, j.name, j.info)
	if err != nil {
		return nil, err
	}
	before, err := file.Stat()
	if err == nil && !sameStat(before, j.info) {
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

// WriteTo would read past Read.
func (r *contentReader) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{r})
}

// unchanged returns ErrChanged unless the file, which was read to its end, is as it was when it was opened.
func (r *contentReader) unchanged() error {
	after, err := r.Stat()
	if err != nil {
		return err
	}
	if r.n != r.before.Size() || !sameStat(r.before, after) {
		return ErrChanged
	}
	return nil
}

// readFull reads as much as there is and fits.
func readFull(r io.Reader, p []byte) (int, error) {
	n, err := io.ReadFull(r, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n, err
}
