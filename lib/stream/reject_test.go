package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// small is a stream with a frame of every kind.
func small(t testing.TB) ([]byte, []string) {
	blocks := []string{"one", "", "two two", "line\n", "other\n", "tail", "last"}
	return write(t, blocks, func(i int) bool { return i >= 3 && i < 6 }), blocks
}

func isBad(err error) bool { return errors.Is(err, ErrFormat) || errors.Is(err, ErrTruncated) }

func TestEveryTruncation(t *testing.T) {
	stream, blocks := small(t)
	for n := range stream {
		got, err := readAll(iotest.OneByteReader(bytes.NewReader(stream[:n])))
		if !errors.Is(err, ErrTruncated) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("the first %d bytes of %d: %v", n, len(stream), err)
		}
		if !slices.Equal(got, blocks[:len(got)]) {
			t.Fatalf("the first %d bytes read as %q", n, got)
		}
		if _, err := readBatches(bytes.NewReader(stream[:n]), 1<<20); !errors.Is(err, ErrTruncated) {
			t.Fatalf("the first %d bytes of %d, in batches: %v", n, len(stream), err)
		}
	}
}

func TestEveryFlippedBit(t *testing.T) {
	stream, _ := small(t)
	every := 1
	if testing.Short() {
		every = 11
	}
	for i := 0; i < len(stream); i += every {
		for bit := range 8 {
			bad := bytes.Clone(stream)
			bad[i] ^= 1 << bit
			if _, err := readAll(bytes.NewReader(bad)); !isBad(err) {
				t.Fatalf("bit %d of byte %d flipped: %v\n%q", bit, i, err, bad)
			}
			if _, err := readOwned(bytes.NewReader(bad), 1<<20, 1<<10); !isBad(err) {
				t.Fatalf("bit %d of byte %d flipped, in batches to keep: %v", bit, i, err)
			}
			if _, err := readBatches(bytes.NewReader(bad), 1<<20); !isBad(err) {
				t.Fatalf("bit %d of byte %d flipped, in batches: %v", bit, i, err)
			}
		}
	}
}

func TestEveryByteLostOrDoubled(t *testing.T) {
	stream, _ := small(t)
	for i := range stream {
		lost := slices.Delete(bytes.Clone(stream), i, i+1)
		doubled := slices.Insert(bytes.Clone(stream), i, stream[i])
		for _, bad := range [][]byte{lost, doubled} {
			if _, err := readAll(bytes.NewReader(bad)); !isBad(err) {
				t.Fatalf("byte %d lost or doubled: %v\n%q", i, err, bad)
			}
		}
	}
}

func TestReorderedFrames(t *testing.T) {
	const a, b, c = "chunk 3\nabc\n", "chunk 3\nxyz\n", "lines 1 3\n12\n\n"
	good := sealed(a+b+c, 3, 9)
	if _, err := readAll(strings.NewReader(good)); err != io.EOF {
		t.Fatal(err)
	}
	end := good[strings.LastIndex(good, "end"):]
	for _, body := range []string{b + a + c, a + c + b, c + b + a, a + b, a + b + c + c, b + b + c, ""} {
		if _, err := readAll(strings.NewReader("hc-stream/1\n" + body + end)); !errors.Is(err, ErrFormat) {
			t.Errorf("body %q under the end of another: %v", body, err)
		}
	}
}

func TestRejected(t *testing.T) {
	pad := strings.Repeat
	for _, test := range []struct {
		name, in string
		is       error
		want     string // part of the error
	}{
		{"empty", "", ErrTruncated, "it is empty"},
		{"text", "hello\n", ErrFormat, `the input is not an hc-stream (it begins with "hello")`},
		{"CRLF", "hc-stream/1\r\n", ErrFormat, "version"},
		{"version", "hc-stream/2\nend 0 0 00000000\n", ErrFormat, `version "hc-stream/2" is not known here`},
		{"proof", "hc-proof/1 00\n", ErrFormat, "pipe it through hc-verify"},
		{"word", sealed("chunks 1\nx\n", 1, 1), ErrFormat, `frame 1 at byte 12: unknown header "chunks 1"`},
		{"capital", sealed("Chunk 1\nx\n", 1, 1), ErrFormat, "unknown header"},
		{"no word", sealed("\n", 1, 0), ErrFormat, "unknown header"},
		{"no length", sealed("chunk\n\n", 1, 0), ErrFormat, "unknown header"},
		{"two spaces", sealed("chunk  1\nx\n", 1, 1), ErrFormat, "a number is missing"},
		{"space behind", sealed("chunk 1 \nx\n", 1, 1), ErrFormat, "a number is missing"},
		{"tab", sealed("chunk\t1\nx\n", 1, 1), ErrFormat, "unknown header"},
		{"leading zero", sealed("chunk 01\nx\n", 1, 1), ErrFormat, "leading zero"},
		{"plus", sealed("chunk +1\nx\n", 1, 1), ErrFormat, `"+1" is not a number`},
		{"minus", sealed("chunk -1\nx\n", 1, 1), ErrFormat, `"-1" is not a number`},
		{"CR", sealed("chunk 1\r\nx\n", 1, 1), ErrFormat, "is not a number"},
		{"too long", sealed("chunk 15728641\n", 1, 1), ErrFormat, `"15728641" is over the limit of 15728640`},
		{"overflow", sealed("chunk 18446744073709551617\nx\n", 1, 1), ErrFormat, "over the limit"},
		{"several too long", sealed("chunk 65536 1\n", 1, 1), ErrFormat, "more than 65536 bytes together"},
		{"many lengths", sealed("chunk"+pad(" 0", 4097)+"\n\n", 1, 0), ErrFormat, "more than 4096 lengths"},
		{"endless header", "hc-stream/1\nchunk" + pad(" 0", 40_000), ErrFormat, "its header has no end within the limit"},
		{"no LF behind", sealed("chunk 1\nxy\n", 1, 1), ErrFormat, "no LF after its 1 bytes"},
		{"no lines", sealed("lines 0 0\n\n", 1, 0), ErrFormat, "a line has at least its LF"},
		{"empty line", sealed("lines 1 0\n\n", 1, 0), ErrFormat, "a line has at least its LF"},
		{"fewer lines", sealed("lines 3 4\na\nb\n\n", 1, 4), ErrFormat, "it holds 2 lines, not 3"},
		{"more lines", sealed("lines 1 4\na\nb\n\n", 1, 4), ErrFormat, "it holds 2 lines, not 1"},
		{"three words", sealed("lines 1 2 3\na\n\n", 1, 2), ErrFormat, "is not a number"},
		{"long lines", sealed("lines 2 65537\n", 1, 2), ErrFormat, "over the limit of 65536"},
		{"long line", sealed("lines 1 15728641\n", 1, 2), ErrFormat, "over the limit of 15728640"},
		{"frames", strings.Replace(sealed("chunk 1\nx\n", 1, 1), "end 1", "end 2", 1), ErrFormat, "is right"},
		{"bytes", sealed("chunk 1\nx\n", 1, 2), ErrFormat, "frame 2 at byte 22: it says"},
		{"end alone", "hc-stream/1\nend\n", ErrFormat, "unknown header"},
		{"behind the end", sealed("", 0, 0) + "\n", ErrFormat, "bytes after the end frame (frame 1 at byte 12)"},
		{"two ends", sealed("", 0, 0) + "end 0 0 a25c8838\n", ErrFormat, "bytes after the end frame"},
		{"two streams", sealed("", 0, 0) + sealed("", 0, 0), ErrFormat, "bytes after the end frame"},
		{"torn", "hc-stream/1\nchunk 3\nab", ErrTruncated, "in frame 1, which begins at byte 12"},
		{"tree", sealed("tree\n", 1, 0), ErrFolder, `hc-append NAME --drive`},
		{"file", sealed("file 0644 0 a\n", 1, 0), ErrFolder, `frame 1 at byte 12 is "file"`},
		{"keep later", sealed("chunk 1\nx\nkeep a\n", 2, 1), ErrFolder, `frame 2 at byte 22 is "keep"`},
		{"link", sealed("link 1 a\nb\n", 1, 0), ErrFolder, ""},
		{"delete", sealed("delete a\n", 1, 0), ErrFolder, ""},
		{"same", sealed("same a\nb\n", 1, 0), ErrFolder, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := readAll(strings.NewReader(test.in))
			if !errors.Is(err, test.is) || !strings.Contains(fmt.Sprint(err), test.want) {
				t.Fatalf("error %q, want one about %q", err, test.want)
			}
			if _, again := readBatches(iotest.HalfReader(strings.NewReader(test.in)), 1<<20); fmt.Sprint(again) != fmt.Sprint(err) && test.name != "text" && test.name != "version" && test.name != "proof" {
				t.Errorf("in batches: %v", again)
			}
		})
	}
}

func TestReadErrorsAreNotTheStreams(t *testing.T) {
	stream, _ := small(t)
	broken := errors.New("cable cut")
	for _, n := range []int{0, 5, 20, len(stream)} {
		_, err := readAll(io.MultiReader(bytes.NewReader(stream[:n]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) || isBad(err) || err == io.EOF {
			t.Errorf("broken after %d bytes: %v", n, err)
		}
	}
	if _, err := readAll(io.MultiReader(bytes.NewReader(stream), iotest.ErrReader(io.ErrUnexpectedEOF))); err == io.EOF {
		t.Error("a reader that fails behind the end passes")
	}
	if _, err := readAll(readerFunc(func([]byte) (int, error) { return 0, nil })); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a stuck reader: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A length that is only promised costs no memory.
func TestPromisedLengthIsNotAllocated(t *testing.T) {
	r := NewReader(strings.NewReader("hc-stream/1\nchunk 15728640\nabc"))
	if _, err := r.Next(); !errors.Is(err, ErrTruncated) {
		t.Fatal(err)
	}
	if len(r.buf) > 2*readBuffer {
		t.Errorf("3 bytes of a promised 15 MiB took a buffer of %d bytes", len(r.buf))
	}
}

func FuzzReader(f *testing.F) {
	stream, _ := small(f)
	f.Add(stream, 100)
	for _, seed := range []string{
		sealed("", 0, 0), sealed("chunk 0 0\n\n", 1, 0), sealed("lines 1 1\n\n\n", 1, 1), sealed("tree\n", 1, 0),
		"hc-stream/1\nchunk 15728640\n", "hc-stream/1\nlines 65536 65536\n", "hc-stream/2\n",
	} {
		f.Add([]byte(seed), 0)
	}
	f.Fuzz(func(t *testing.T, in []byte, maxBytes int) {
		maxBytes = min(max(maxBytes, 0), 1<<20)
		blocks, err := readAll(bytes.NewReader(in))
		batches, batchErr := readBatches(iotest.HalfReader(bytes.NewReader(in)), maxBytes)
		if (err == io.EOF) != (batchErr == io.EOF) || err == io.EOF && !slices.Equal(blocks, batches) {
			t.Fatalf("Next: %d blocks, %v; NextBatch: %d blocks, %v", len(blocks), err, len(batches), batchErr)
		}
		owned, ownedErr := readOwned(iotest.HalfReader(bytes.NewReader(in)), maxBytes, 100)
		if (err == io.EOF) != (ownedErr == io.EOF) || !slices.Equal(blocks, owned) {
			t.Fatalf("Next: %d blocks, %v; ReadBatch: %d blocks, %v", len(blocks), err, len(owned), ownedErr)
		}
		if err != io.EOF {
			if !isBad(err) && !errors.Is(err, ErrFolder) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		again := write(t, blocks, func(int) bool { return false })
		if got, err := readAll(bytes.NewReader(again)); err != io.EOF || !slices.Equal(got, blocks) {
			t.Fatalf("written again it reads as %d blocks, %v", len(got), err)
		}
	})
}
