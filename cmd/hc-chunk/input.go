package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"hc/lib/chunk"
	"hc/lib/cli"
	"hc/lib/stream"
)

// input is one argument.
type input struct {
	name string // as the user wrote it; "-": standard input
	size int64  // bytes, 0 if not known
}

// findInputs checks the arguments before anything is read or written.
func findInputs(std *cli.IO, files []string) ([]input, error) {
	if len(files) == 0 {
		files = []string{"-"}
	}
	var inputs []input
	standard := false
	for _, name := range files {
		in := input{name: name}
		var err error
		if name == "-" {
			if standard {
				return nil, cli.Usagef("standard input can be read only once, and '-' is given twice")
			}
			standard = true
			in.size, _ = std.InSize()
		} else if in.size, err = checkFile(name); err != nil {
			return nil, err
		}
		inputs = append(inputs, in)
	}
	return inputs, nil
}

// checkFile returns the size of a file that may be read: 0 if it has none.
func checkFile(name string) (int64, error) {
	if hidden(name) {
		return 0, hiddenError(name)
	}
	info, err := os.Stat(name)
	if err != nil {
		return 0, unreadable(name, err)
	}
	if info.IsDir() {
		return 0, cli.Hint(cli.Usagef("%q is a folder", name), "--dry-run lists one; --list and --cuts are for files, --join is for a stream")
	}
	if !info.Mode().IsRegular() {
		return 0, nil
	}
	return info.Size(), nil
}

func hiddenError(name string) error {
	return cli.Usagef("%q is in a folder named .hc: that is a store, which holds secret keys, and is never read into a log", name)
}

// hidden reports whether a name leads into a store: as it is written, from the current folder, or through links.
func hidden(name string) bool {
	if stream.HiddenPath(name) {
		return true
	}
	whole, err := filepath.Abs(name)
	if err == nil && stream.HiddenPath(whole) {
		return true
	}
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return false // it does not exist, or is in no folder, like a pipe in /dev/fd
	}
	whole, err = filepath.Abs(real)
	return err == nil && stream.HiddenPath(whole)
}

// open returns the input's bytes; reading ends with an error when ctx does.
func (in input) open(ctx context.Context, std *cli.IO) (io.ReadCloser, error) {
	if in.name == "-" {
		return io.NopCloser(std.In), nil
	}
	f, err := os.Open(in.name)
	if err != nil {
		return nil, unreadable(in.name, err)
	}
	return &fileReader{f, ctx}, nil
}

// unreadable names the file as the user wrote it, and not the call that failed.
func unreadable(name string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("reading %q: %w", name, err)
}

// fileReader is a file until its context ends.
type fileReader struct {
	*os.File
	ctx context.Context
}

func (f *fileReader) Read(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

// source yields the chunks of all inputs, one input after the other. A chunk ends with its input at the latest, so a file
// has the same chunks whatever it is listed with.
type source struct {
	ctx     context.Context
	std     *cli.IO
	inputs  []input // those that are left; the first one is open if file is set
	cutter  chunk.Cutter
	file    io.ReadCloser
	whole   io.ReaderAt // file, if it can be read at offsets; else nil
	start   int64       // where in it the input begins,
	size    int64       // and its size
	chunker *chunk.Chunker
	base    uint64 // bytes of the inputs before this one
}

// next returns the next chunk, valid until the next call, and its offset in all of the input.
func (s *source) next() (data []byte, offset uint64, err error) {
	err = s.ask(func() (err error) {
		offset = s.base + s.chunker.Offset()
		data, err = s.chunker.Next()
		return err
	})
	return data, offset, err
}

// neighbours are chunks that follow one another in the input.
type neighbours struct {
	chunks [][]byte    // valid until the next call
	file   io.ReaderAt // that has them, too; nil: none
	at     int64       // where
}

// nextAll reads the next chunk, and those after it that are read already; of a file about 1 MiB, so that the reader of the pipe is not
// woken up for a few chunks at a time. Bytes beyond a file's size, as in system files that are generated when they are read, may have to
// be waited for, and are passed on as they come.
func (s *source) nextAll(n *neighbours) error {
	return s.ask(func() (err error) {
		n.file, n.at = s.whole, s.start+int64(s.chunker.Offset())
		next := s.chunker.NextAll
		if n.at < s.size {
			next = s.chunker.NextMany
		}
		n.chunks, err = next(n.chunks[:0])
		if s.start+int64(s.chunker.Offset()) > s.size { // it grows, or is generated when it is read
			n.file = nil
		}
		return err
	})
}

// ask calls chunker for the open input, and at its end for the next one.
func (s *source) ask(chunker func() error) error {
	for {
		if err := s.begin(); err != nil {
			return err
		}
		err := chunker()
		if err == nil {
			return nil
		}
		if err != io.EOF {
			return s.explain(err)
		}
		s.base += s.chunker.Offset()
		if err := s.close(); err != nil {
			return err
		}
		s.inputs = s.inputs[1:]
	}
}

// begin opens the next input unless one is open; it returns io.EOF if none is left.
func (s *source) begin() (err error) {
	if s.file != nil {
		return nil
	}
	if len(s.inputs) == 0 {
		return io.EOF
	}
	if s.file, err = s.inputs[0].open(s.ctx, s.std); err != nil {
		return err
	}
	s.findWhole()
	if s.chunker == nil {
		s.chunker = chunk.New(s.file, s.cutter, 0)
	} else {
		s.chunker.Reset(s.file)
	}
	return nil
}

// findWhole finds out whether the input is a regular file, and where in it the input begins.
func (s *source) findWhole() {
	s.whole, s.start, s.size = nil, 0, 0
	f := s.std.InFile
	if named, ok := s.file.(*fileReader); ok {
		f = named.File
	}
	if start, size, ok := cli.Rest(f); ok {
		s.whole, s.start, s.size = f, start, size
	}
}

// explain names the input that an error is about.
func (s *source) explain(err error) error {
	if name := s.inputs[0].name; name != "-" {
		return fmt.Errorf("reading %q: %w", name, err)
	}
	return fmt.Errorf("reading standard input: %w", err)
}

func (s *source) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}
