package folder

import (
	"context"
	"errors"
	"io"

	"hc/lib/chunk"
	"hc/lib/hash/simd"
	"hc/lib/stream"
)

// output writes files to a stream.
type output struct {
	w       *stream.Writer
	opt     *Options
	cache   *statWriter // nil: none is written
	chunker *chunk.Chunker
	stats   Stats
	left    []string // see Options.Leave
}

// step writes the next step, once it is loaded.
func (o *output) step(ctx context.Context, next step) error {
	if o.cache != nil && len(next.kept) > 0 {
		o.cache.add(next.kept)
	}
	if next.job == nil {
		return nil
	}
	if next.job.ready != nil {
		select {
		case <-next.job.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return o.job(next.job)
}

// job writes a job that is loaded.
func (o *output) job(j *job) error {
	if j.err != nil {
		return readError(j.path(), j.err)
	}
	if err := o.item(j); err != nil {
		return err
	}
	if r := j.record(); o.cache != nil && (r.here != hereNothing || r.drive != hasNothing) {
		o.cache.add(r.append(nil))
	}
	return nil
}

func (o *output) item(j *job) error {
	switch {
	case j.lost != "":
		return o.w.Delete(j.lost)
	case j.gone:
		return o.lose(j)
	case j.left:
		return o.leave(j)
	case j.keep:
		o.stats.Kept++
		return nil
	case j.target != "":
		o.stats.Links++
		return o.w.Link(j.path(), j.target)
	}
	if j.large {
		return o.large(j)
	}
	if err := o.file(j); err != nil {
		return err
	}
	start := 0
	for _, end := range j.cuts {
		if err := o.block(j.data[start:end]); err != nil {
			return err
		}
		start = end
	}
	return nil
}

// lose deletes a file that is gone, if the drive has it.
func (o *output) lose(j *job) error {
	if j.had.drive == hasNothing {
		return nil
	}
	return o.w.Delete(j.path())
}

// leave notes that a file stays as the drive has it.
func (o *output) leave(j *job) error {
	o.left = append(o.left, j.path())
	return nil
}

// file begins a file.
func (o *output) file(j *job) error {
	o.stats.Files++
	return o.w.File(j.stat.mode.Perm(), j.stat.mtime, j.path())
}

// large reads and writes a large file. What is written cannot be taken back: if the file changes meanwhile, the import ends.
func (o *output) large(j *job) error {
	r, err := j.openStill(o.opt)
	switch {
	case j.gone:
		return o.lose(j)
	case errors.Is(err, ErrChanged) && o.opt.Leave != nil:
		j.left = true
		return o.leave(j)
	case err != nil:
		return readError(j.path(), err)
	}
	defer r.Close() // only read from
	if err := o.file(j); err != nil {
		return err
	}
	sum := simd.NewSHA256()
	j.summed = o.cache != nil
	err = o.content(r, func(block []byte) {
		if j.summed {
			_, _ = sum.Write(block)
		}
	})
	if err == nil {
		err = r.unchanged()
	}
	if err != nil {
		return readError(j.path(), err)
	}
	sum.Sum(j.sum[:0])
	return nil
}

// content cuts what r reads into blocks, and writes them.
func (o *output) content(r io.Reader, each func(block []byte)) error {
	if o.chunker == nil {
		o.chunker = chunk.New(r, o.opt.Cutter, 0)
	} else {
		o.chunker.Reset(r)
	}
	for {
		block, err := o.chunker.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		each(block)
		if err := o.block(block); err != nil {
			return err
		}
	}
}

// block writes one block.
func (o *output) block(block []byte) error {
	put := o.w.Chunk
	if o.opt.Lines {
		put = o.w.Lines
	}
	if err := put(block); err != nil {
		return err
	}
	o.stats.Bytes += uint64(len(block))
	if o.opt.Wrote != nil {
		o.opt.Wrote(len(block))
	}
	return nil
}
