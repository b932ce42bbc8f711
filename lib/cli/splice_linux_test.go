package cli

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"hc/lib/stream"
)

// piped is what comes out of a pipe while write writes into it.
func piped(t *testing.T, write func(out *output)) []byte {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	came := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(r)
		came <- all
	}()
	write(&output{w: w, file: w, pipe: true})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return <-came
}

// fileOf returns a file with so many random bytes, and these.
func fileOf(t *testing.T, size int) (*os.File, []byte) {
	t.Helper()
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if _, err := file.Write(content); err != nil {
		t.Fatal(err)
	}
	return file, content
}

// A pipe gets what was read from a file, wherever it begins, also what the file has no more, and where it can give nothing.
func TestWriteFrom(t *testing.T) {
	file, content := fileOf(t, 3<<20+123)
	none, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	got := piped(t, func(out *output) {
		out.WriteFrom(file, 0, content[:1<<20])
		out.WriteFrom(file, 1<<20, content[1<<20:1<<20+77_777])
		if !out.pipe {
			t.Error("the file was not asked")
		}
		if err := file.Truncate(2 << 20); err != nil {
			t.Fatal(err)
		}
		out.WriteFrom(file, 1<<20+77_777, content[1<<20+77_777:3<<20])
		out.WriteFrom(file, 3<<20, content[3<<20:])
		out.pipe = true
		out.WriteFrom(none, 0, []byte("of a folder"))
		if out.pipe {
			t.Error("what has no bytes to give is asked again")
		}
	})
	if want := append(content, "of a folder"...); !bytes.Equal(got, want) {
		t.Errorf("%d bytes came, other ones than the %d that were written", len(got), len(want))
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	out := &output{w: w, file: w, pipe: true}
	if err := out.WriteFrom(file, 0, content[:100]); !errors.Is(err, errOutputGone) || !out.broken.Load() {
		t.Errorf("the reader is gone: %v, %v", err, out.broken.Load())
	}
}

// A file that is written to before its bytes have been read from the pipe makes a stream that nobody takes for whole.
func TestChangedBehindThePipe(t *testing.T) {
	for _, changed := range []bool{false, true} {
		file, content := fileOf(t, 32<<10)
		r, w, err := os.Pipe() // which holds all of it
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		s := stream.NewWriter(&output{w: w, file: w, pipe: true})
		if err := errors.Join(s.ChunksFrom(file, 0, content), s.Close(), w.Close()); err != nil {
			t.Fatal(err)
		}
		if changed {
			if _, err := file.WriteAt([]byte{content[20_000] + 1}, 20_000); err != nil {
				t.Fatal(err)
			}
		}
		in := stream.NewReader(r)
		block, err := in.Next()
		if err != nil || len(block) != len(content) {
			t.Fatalf("a block of %d bytes, %v", len(block), err)
		}
		same := bytes.Equal(block, content) // as it is where the file's system gave a copy
		if !same && !changed {
			t.Error("other bytes came than are in the file")
		}
		if _, err = in.Next(); same != (err == io.EOF) || !same && !errors.Is(err, stream.ErrFormat) {
			t.Errorf("changed: %v; behind the block, which is as it was: %v: %v", changed, same, err)
		}
	}
}
