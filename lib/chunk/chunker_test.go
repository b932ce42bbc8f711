package chunk

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func must(c Cutter, err error) Cutter {
	if err != nil {
		panic(err)
	}
	return c
}

// cutters returns one of each kind, small enough that a few KiB reach their limits.
func cutters() map[string]Cutter {
	return map[string]Cutter{
		"rabin":   must(NewRabin(Limits{256, 64, 1000})),
		"fastcdc": must(NewFastCDC(Limits{256, 64, 1000})),
		"fixed":   must(NewFixed(300)),
		"lines":   must(NewLines(5000)),
	}
}

// However the reader delivers the content, the chunks are those of the whole content, and their concatenation is the
// content.
func TestChunkerIsFaithful(t *testing.T) {
	random := randomBytes(40_000, 5)
	inputs := [][]byte{nil, {0}, {'\n'}, []byte("a\n\nb"), random, random[:64], random[:65], random[:1000], random[:1001], make([]byte, 3000)}
	for kind, cutter := range cutters() {
		for name, wrap := range readers {
			for i, input := range inputs {
				t.Run(fmt.Sprintf("%s/%s/%d", kind, name, i), func(t *testing.T) {
					got := chunksOf(t, New(wrap(bytes.NewReader(input)), cutter, 0), input)
					want := cuts(cutter, input)
					if len(got) != len(want) {
						t.Fatalf("%d chunks, want %d", len(got), len(want))
					}
					for i := range got {
						if len(got[i]) != want[i] || len(got[i]) > cutter.Max() {
							t.Fatalf("chunk %d has %d bytes, want %d, at most %d", i, len(got[i]), want[i], cutter.Max())
						}
					}
				})
			}
		}
	}
}

// manyAtATime is the ways to ask for many chunks at once, and how many bytes each call returns at least of a long
// input.
var manyAtATime = map[string]struct {
	next  func(c *Chunker, dst [][]byte) ([][]byte, error)
	bytes int
}{
	"all":  {(*Chunker).NextAll, mostRead / 2},
	"many": {(*Chunker).NextMany, readSize / 2},
}

// Many at a time, the chunks are the same, all of them are valid until the next call, and an error comes after them.
func TestNextAll(t *testing.T) {
	for name, way := range manyAtATime {
		t.Run(name, func(t *testing.T) { nextAll(t, way.next, way.bytes) })
	}
}

func nextAll(t *testing.T, next func(*Chunker, [][]byte) ([][]byte, error), least int) {
	random := randomBytes(3*readSize, 7)
	for kind, cutter := range cutters() {
		for _, input := range [][]byte{nil, random[:100], random[:5000], random} {
			lengths := cuts(cutter, input)
			for name, wrap := range readers {
				if len(input) > 5000 && name == "one byte" {
					continue
				}
				calls := sameManyAtATime(t, kind+"/"+name, next, New(wrap(bytes.NewReader(input)), cutter, 0), input, lengths)
				if name == "whole" && len(input) == len(random) && calls > len(input)/least {
					t.Errorf("%s: the chunks came in %d calls", kind, calls)
				}
			}
		}
		broken := errors.New("disk on fire")
		c := New(io.MultiReader(bytes.NewReader(random[:10_000]), iotest.ErrReader(broken)), cutter, 0)
		n, err := 0, error(nil)
		for chunks := [][]byte(nil); err == nil; n += len(chunks) {
			chunks, err = next(c, nil)
		}
		if _, again := next(c, nil); n == 0 || err != broken || again != broken {
			t.Errorf("%s: %d chunks, then %v, then %v", kind, n, err, again)
		}
	}
}

// sameManyAtATime fails unless the chunks of input have these lengths. It returns how many calls it took.
func sameManyAtATime(t *testing.T, what string, next func(*Chunker, [][]byte) ([][]byte, error), c *Chunker, input []byte, lengths []int) (calls int) {
	t.Helper()
	var got []byte
	for ; ; calls++ {
		chunks, err := next(c, nil)
		if err == io.EOF && len(chunks) == 0 {
			break
		}
		if err != nil || len(chunks) == 0 || len(chunks) > len(lengths) {
			t.Fatalf("%s: %d chunks, %v", what, len(chunks), err)
		}
		for i, chunk := range chunks {
			if len(chunk) != lengths[i] {
				t.Fatalf("%s: a chunk at byte %d has %d bytes, not %d", what, len(got), len(chunk), lengths[i])
			}
		}
		lengths = lengths[len(chunks):]
		if got = append(got, bytes.Join(chunks, nil)...); c.Offset() != uint64(len(got)) {
			t.Fatalf("%s: Offset() = %d behind %d bytes", what, c.Offset(), len(got))
		}
	}
	if !bytes.Equal(got, input) {
		t.Errorf("%s: %d bytes, other ones than the %d that came", what, len(got), len(input))
	}
	return calls
}

// A list of chunks does not grow to the number of bytes in the buffer.
func TestNextManyTinyChunks(t *testing.T) {
	c := New(strings.NewReader(strings.Repeat("\n", 3*readSize)), must(NewLines(0)), 0)
	for all := 0; all < 3*readSize; {
		chunks, err := c.NextMany(nil)
		if err != nil || len(chunks) > manyChunks+mostRead {
			t.Fatalf("%d chunks at once, %v", len(chunks), err)
		}
		all += len(chunks)
	}
}

// Content that is too long is reported after the chunks before it, however they are asked for.
func TestNextAllTooLong(t *testing.T) {
	for name, way := range manyAtATime {
		t.Run(name, func(t *testing.T) { nextAllTooLong(t, way.next) })
	}
}

func nextAllTooLong(t *testing.T, next func(*Chunker, [][]byte) ([][]byte, error)) {
	c := New(strings.NewReader("a\nb\n"+strings.Repeat("c", 100)+"\n"), must(NewLines(50)), 0)
	if chunks, err := next(c, nil); err != nil || len(chunks) != 2 {
		t.Fatalf("%q, %v", chunks, err)
	}
	for range 2 {
		if chunks, err := next(c, nil); !errors.Is(err, ErrTooLong) || len(chunks) != 0 || !strings.Contains(err.Error(), "byte 4:") {
			t.Fatalf("%q, %v", chunks, err)
		}
	}
}

// A cutter that asks for more must find the same cut when it gets it.
func TestCutNeedsNoMoreThanMax(t *testing.T) {
	data := randomBytes(6000, 6)
	for kind, c := range cutters() {
		want := c.Cut(data, true)
		for n := range len(data) {
			got := c.Cut(data[:n], false)
			if got != want && got != 0 {
				t.Fatalf("%s: Cut of %d bytes = %d, of more = %d", kind, n, got, want)
			}
			if got == 0 && n > c.Max() {
				t.Fatalf("%s: Cut of %d bytes asks for more than its max of %d", kind, n, c.Max())
			}
		}
	}
}

func TestChunkerReadError(t *testing.T) {
	broken := errors.New("disk on fire")
	input := bytes.Repeat([]byte("line\n"), 3)
	c := New(io.MultiReader(bytes.NewReader(input), strings.NewReader("half"), iotest.ErrReader(broken)), must(NewLines(0)), 0)
	for range 3 {
		if b, err := c.Next(); err != nil || string(b) != "line\n" {
			t.Fatalf("Next() = %q, %v before the error", b, err)
		}
	}
	for range 2 {
		if b, err := c.Next(); b != nil || err != broken {
			t.Fatalf("Next() = %q, %v, want the reader's error", b, err)
		}
	}
}

func TestChunkerReset(t *testing.T) {
	c := New(iotest.ErrReader(io.ErrClosedPipe), must(NewFixed(300)), 0)
	if _, err := c.Next(); err != io.ErrClosedPipe {
		t.Fatal(err)
	}
	for _, n := range []int{1000, 0, 300} {
		data := randomBytes(n, 10)
		c.Reset(bytes.NewReader(data))
		chunksOf(t, c, data)
	}
}

func TestChunkerNoProgress(t *testing.T) {
	stuck := readerFunc(func([]byte) (int, error) { return 0, nil })
	if _, err := New(stuck, must(NewFixed(1)), 0).Next(); err != io.ErrNoProgress {
		t.Fatalf("Next() = %v, want %v", err, io.ErrNoProgress)
	}
	liar := readerFunc(func(p []byte) (int, error) { return len(p) + 1, nil })
	if _, err := New(liar, must(NewFixed(1)), 0).Next(); err == nil || err == io.EOF {
		t.Fatalf("Next() = %v from a reader that lies", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A line is returned when its LF has come, not when a buffer is full.
func TestLinesAreLive(t *testing.T) {
	reads := 0
	parts := []string{"on", "e\ntw", "o\n", "three\n"}
	c := New(readerFunc(func(p []byte) (int, error) {
		reads++
		if reads > len(parts) {
			return 0, io.EOF
		}
		return copy(p, parts[reads-1]), nil
	}), must(NewLines(0)), 0)
	for i, want := range []string{"one\n", "two\n", "three\n"} {
		b, err := c.Next()
		if err != nil || string(b) != want || reads != i+2 {
			t.Fatalf("Next() = %q, %v after %d reads, want %q after %d", b, err, reads, want, i+2)
		}
	}
}

func TestLinesTooLong(t *testing.T) {
	for _, test := range []struct {
		in   string
		want []string
		err  error
	}{
		{"1234\n", []string{"1234\n"}, io.EOF},
		{"12345", []string{"12345"}, io.EOF},
		{"a\n12345\n", []string{"a\n"}, ErrTooLong},
		{"123456", nil, ErrTooLong},
	} {
		c := New(iotest.OneByteReader(strings.NewReader(test.in)), must(NewLines(5)), 0)
		var got []string
		var err error
		for {
			var b []byte
			if b, err = c.Next(); err != nil {
				break
			}
			got = append(got, string(b))
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) || !errors.Is(err, test.err) {
			t.Errorf("lines of %q = %q, %v, want %q, %v", test.in, got, err, test.want, test.err)
		}
	}
	_, err := New(strings.NewReader("a\n123456"), must(NewLines(5)), 0).Next()
	if err != nil {
		t.Fatal(err)
	}
	c := New(strings.NewReader("a\n123456"), must(NewLines(5)), 0)
	_, _ = c.Next()
	_, err = c.Next()
	if want := "line at byte 2: longer than a block may be: over 5 bytes"; err == nil || err.Error() != want {
		t.Errorf("error = %q, want %q", err, want)
	}
}

func TestLongLineGrowsTheBuffer(t *testing.T) {
	line := append(bytes.Repeat([]byte{'x'}, Largest-1), '\n')
	input := append(append([]byte("short\n"), line...), "end"...)
	if got := chunksOf(t, New(bytes.NewReader(input), must(NewLines(0)), 0), input); len(got) != 3 {
		t.Fatalf("%d lines, want 3", len(got))
	}
	_, err := New(io.MultiReader(bytes.NewReader(line[:Largest-1]), strings.NewReader("xx")), must(NewLines(0)), 0).Next()
	if !errors.Is(err, ErrTooLong) {
		t.Fatalf("line of %d bytes: %v", Largest+1, err)
	}
}

func TestLimits(t *testing.T) {
	for _, test := range []struct {
		in, want Limits
		bad      string
	}{
		{in: Limits{}, want: Limits{DefaultAverage, DefaultMin, DefaultMax}},
		{in: Limits{Average: 64}, want: Limits{64, 64, 256}},
		{in: Limits{Average: 8 << 20}, want: Limits{8 << 20, 2 << 20, Largest}},
		{in: Limits{Max: 100}, want: Limits{DefaultAverage, 100, 100}},
		{in: Limits{Average: 64, Min: 1000}, want: Limits{64, 1000, 1000}},
		{in: Limits{Average: 65}, bad: "average 65"},
		{in: Limits{Average: -64}, bad: "average -64"},
		{in: Limits{Average: 32}, bad: "average 32"},
		{in: Limits{Average: 16 << 20}, bad: "average 16777216"},
		{in: Limits{Min: 63}, bad: "min 63"},
		{in: Limits{Max: Largest + 1}, bad: "max 15728641"},
		{in: Limits{Min: 2000, Max: 1999}, bad: "min 2000 is over max 1999"},
		{in: Limits{Max: -1}, bad: "over max -1"},
	} {
		got, err := test.in.Resolved()
		if test.bad == "" {
			if err != nil || got != test.want {
				t.Errorf("%v.Resolved() = %v, %v, want %v", test.in, got, err, test.want)
			}
			continue
		}
		_, rabin := NewRabin(test.in)
		_, gear := NewFastCDC(test.in)
		for _, err := range []error{err, rabin, gear} {
			if !errors.Is(err, ErrLimits) || !strings.Contains(err.Error(), test.bad) {
				t.Errorf("limits %v: error %v, want one about %q", test.in, err, test.bad)
			}
		}
	}
	for _, size := range []int{-1, Largest + 1} {
		if _, err := NewFixed(size); !errors.Is(err, ErrLimits) {
			t.Errorf("NewFixed(%d): %v", size, err)
		}
		if _, err := NewLines(size); !errors.Is(err, ErrLimits) {
			t.Errorf("NewLines(%d): %v", size, err)
		}
	}
}

// Eleven bytes inserted into the middle cost at most three new chunks.
func TestInsertion(t *testing.T) {
	size := 100 << 20
	if testing.Short() || racing {
		size = 4 << 20
	}
	real := source(t)
	for len(real) < size {
		real = append(real[:len(real):len(real)], real...)
	}
	inputs := map[string][]byte{"random": randomBytes(size, 7), "source": real[:size]}
	for name, data := range inputs {
		edited := append(append(bytes.Clone(data[:size/2]), "eleven more"...), data[size/2:]...)
		for kind, c := range map[string]Cutter{"rabin": must(NewRabin(Limits{})), "fastcdc": must(NewFastCDC(Limits{}))} {
			before := make(map[[32]byte]bool)
			eachChunk(c, data, func(b []byte) { before[sha256.Sum256(b)] = true })
			fresh := 0
			eachChunk(c, edited, func(b []byte) {
				if sum := sha256.Sum256(b); !before[sum] {
					before[sum] = true
					fresh++
				}
			})
			t.Logf("%s, %s: %d new chunks", kind, name, fresh)
			if fresh < 1 || fresh > 3 {
				t.Errorf("%s, %s: %d new chunks, want 1 to 3", kind, name, fresh)
			}
		}
	}
}

func eachChunk(c Cutter, data []byte, fn func([]byte)) {
	for len(data) > 0 {
		n := c.Cut(data, true)
		fn(data[:n])
		data = data[n:]
	}
}

func FuzzChunker(f *testing.F) {
	f.Add([]byte("a\nb\n\n"), uint8(0))
	f.Add(bytes.Repeat([]byte{0}, 2000), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		for kind, c := range cutters() {
			if kind == "lines" && len(data) > c.Max() {
				continue
			}
			chunker := New(readerFunc(func() func([]byte) (int, error) {
				r := bytes.NewReader(data)
				return func(p []byte) (int, error) { return r.Read(p[:min(len(p), int(step)+1)]) }
			}()), c, 0)
			got, want := chunksOf(t, chunker, data), cuts(c, data)
			if len(got) != len(want) {
				t.Fatalf("%s: %d chunks through a reader, %d at once", kind, len(got), len(want))
			}
		}
	})
}
