package stream

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// sealed returns a stream of the frames in body with the end frame that fits them.
func sealed(body string, frames, size int) string {
	all := "hc-stream/1\n" + body
	return all + fmt.Sprintf("end %d %d %08x\n", frames, size, crc32.Checksum([]byte(all), crc32.MakeTable(crc32.Castagnoli)))
}

// readAll returns copies of all blocks by Next, and the error that ended them, io.EOF included.
func readAll(r io.Reader) (blocks []string, err error) {
	s := NewReader(r)
	for {
		b, err := s.Next()
		if err != nil {
			if _, again := s.Next(); again != err {
				return nil, fmt.Errorf("error %v is not final: then %v", err, again)
			}
			return blocks, err
		}
		blocks = append(blocks, string(b))
	}
}

// readBatches is readAll by NextBatch.
func readBatches(r io.Reader, maxBytes int) (blocks []string, err error) {
	s := NewReader(r)
	for {
		batch, _, err := s.NextBatch(nil, maxBytes)
		if err != nil {
			if len(batch) > 0 {
				return nil, fmt.Errorf("%d blocks with error %v", len(batch), err)
			}
			return blocks, err
		}
		total := 0
		for _, b := range batch {
			total += len(b)
			blocks = append(blocks, string(b))
		}
		if len(batch) == 0 || total > maxBytes && len(batch) > 1 {
			return nil, fmt.Errorf("a batch of %d blocks, %d bytes, with a limit of %d", len(batch), total, maxBytes)
		}
	}
}

// The Reader reads, and the Writer writes, the example in FORMAT.md.
func TestFormatExample(t *testing.T) {
	page, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "```hc-stream\n")
	example, _, closed := strings.Cut(rest, "```\n")
	if !ok || !closed {
		t.Fatal("FORMAT.md has no example")
	}
	want := []string{"name,quantity\n", "nuts,3\n", "first\n", "second"}
	got, err := readAll(strings.NewReader(example))
	if err != io.EOF || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("the example reads as %q, %v", got, err)
	}
	var out bytes.Buffer
	w := NewWriter(&out)
	for _, b := range want[:2] {
		check(t, w.Chunk([]byte(b)))
	}
	check(t, w.Lines([]byte("first\nsecond")))
	check(t, w.Close())
	if out.String() != example {
		t.Errorf("the example is written as\n%s", out.String())
	}
	out.Reset()
	check(t, NewWriter(&out).Close())
	if quoted := strings.ReplaceAll(out.String(), "\n", "␊"); !strings.Contains(string(page), "`"+quoted+"`") {
		t.Errorf("FORMAT.md does not show the empty stream %s", quoted)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write returns the stream of these blocks; lines says which are written as lines.
func write(t testing.TB, blocks []string, lines func(i int) bool) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out)
	for i, b := range blocks {
		if lines(i) {
			check(t, w.Lines([]byte(b)))
		} else {
			check(t, w.Chunk([]byte(b)))
		}
	}
	check(t, w.Close())
	if err := w.Chunk(nil); err != errClosed {
		t.Fatalf("Chunk behind the end: %v", err)
	}
	return out.Bytes()
}

func TestRoundTrip(t *testing.T) {
	dice := rand.New(rand.NewPCG(3, 4))
	sizes := []int{0, 1, 2, 100, direct - 1, direct, direct + 1, MaxPacked - 1, MaxPacked, MaxPacked + 1, readBuffer, 1 << 20, MaxBlock}
	var blocks []string
	for _, n := range sizes {
		blocks = append(blocks, strings.Repeat("x", n))
	}
	short, long := 20_000, 500
	if testing.Short() {
		short, long = 2000, 50
	}
	for range short {
		blocks = append(blocks, strings.Repeat("y", dice.IntN(20)))
	}
	for range long {
		blocks = append(blocks, strings.Repeat("z", dice.IntN(40_000)))
	}
	dice.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
	for name, lines := range map[string]func(int) bool{
		"chunks": func(int) bool { return false },
		"lines":  func(i int) bool { return len(blocks[i]) > 0 },
		"mixed":  func(i int) bool { return len(blocks[i]) > 0 && i/7%2 == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			stream := write(t, blocks, lines)
			for how, read := range map[string]func() ([]string, error){
				"next":    func() ([]string, error) { return readAll(bytes.NewReader(stream)) },
				"half":    func() ([]string, error) { return readAll(iotest.HalfReader(bytes.NewReader(stream))) },
				"dataerr": func() ([]string, error) { return readAll(iotest.DataErrReader(bytes.NewReader(stream))) },
				"batch0":  func() ([]string, error) { return readBatches(bytes.NewReader(stream), 0) },
				"batch1k": func() ([]string, error) { return readBatches(bytes.NewReader(stream), 1<<10) },
				"batch1M": func() ([]string, error) { return readBatches(iotest.HalfReader(bytes.NewReader(stream)), 1<<20) },
				"batch8M": func() ([]string, error) { return readBatches(bytes.NewReader(stream), 8<<20) },
				"owned0":  func() ([]string, error) { return readOwned(bytes.NewReader(stream), 0, 1) },
				"owned1M": func() ([]string, error) { return readOwned(iotest.HalfReader(bytes.NewReader(stream)), 1<<20, 1000) },
			} {
				got, err := read()
				if err != io.EOF {
					t.Fatalf("%s: %v", how, err)
				}
				if len(got) != len(blocks) {
					t.Fatalf("%s: %d blocks, want %d", how, len(got), len(blocks))
				}
				for i := range got {
					if got[i] != blocks[i] {
						t.Fatalf("%s: block %d differs", how, i)
					}
				}
			}
		})
	}
}

// Packed frames stay under the limits, and cost little more than their bytes.
func TestPacking(t *testing.T) {
	line := strings.Repeat("a short line\n", 100_000)
	var out bytes.Buffer
	w := NewWriter(&out)
	check(t, w.Lines([]byte(line)))
	check(t, w.Close())
	if over := out.Len() - len(line); over > 1000 {
		t.Errorf("%d bytes of lines cost %d more", len(line), over)
	}
	out.Reset()
	w = NewWriter(&out)
	for range maxLengths + 1 {
		check(t, w.Chunk(nil))
	}
	for range 100_000 {
		check(t, w.Chunk([]byte("seven..")))
	}
	for range 1000 {
		check(t, w.Chunk(make([]byte, direct-1)))
	}
	check(t, w.Close())
	got, err := readAll(&out)
	if err != io.EOF || len(got) != maxLengths+1+100_000+1000 {
		t.Errorf("%d blocks, %v", len(got), err)
	}
}

func TestBatchIsOfOneKind(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	check(t, w.Chunk([]byte("chunk\n")))
	check(t, w.Lines([]byte("1\n2\n3")))
	check(t, w.Lines([]byte("4\n")))
	check(t, w.Chunk([]byte("again")))
	check(t, w.Close())
	r := NewReader(&out)
	for _, want := range []struct {
		blocks string
		lines  bool
	}{{"[chunk\n]", false}, {"[1\n 2\n 3 4\n]", true}, {"[again]", false}} {
		batch, lines, err := r.NextBatch(nil, 1<<20)
		if got := fmt.Sprintf("%s", batch); err != nil || got != want.blocks || lines != want.lines {
			t.Fatalf("NextBatch = %q, %v, %v, want %q, %v", got, lines, err, want.blocks, want.lines)
		}
	}
	if _, _, err := r.NextBatch(nil, 1<<20); err != io.EOF {
		t.Fatal(err)
	}
}

// Next and NextBatch may take turns, and no block of a batch is overwritten before the next call.
func TestNextAndBatchTakeTurns(t *testing.T) {
	var blocks []string
	for i := range 3000 {
		blocks = append(blocks, strings.Repeat(string(rune('a'+i%26)), 1+i*37%9000))
	}
	stream := write(t, blocks, func(i int) bool { return i%3 == 0 })
	r := NewReader(iotest.HalfReader(bytes.NewReader(stream)))
	for i, turn := 0, 0; i < len(blocks); turn++ {
		var batch [][]byte
		var err error
		if turn%2 == 0 {
			batch, _, err = r.NextBatch(nil, turn%7*30_000)
		} else {
			var b []byte
			b, err = r.Next()
			batch = [][]byte{b}
		}
		check(t, err)
		for _, b := range batch {
			if string(b) != blocks[i] {
				t.Fatalf("turn %d: block %d differs", turn, i)
			}
			i++
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Fatal(err)
	}
}

func TestWriterRefuses(t *testing.T) {
	for name, call := range map[string]func(w *Writer, b []byte) error{
		"chunk": (*Writer).Chunk, "lines": (*Writer).Lines,
	} {
		var out bytes.Buffer
		w := NewWriter(&out)
		if err := call(w, make([]byte, MaxBlock+1)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s over the limit: %v", name, err)
		}
		if err := w.Close(); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: Close after a failure: %v", name, err)
		}
		if _, err := readAll(&out); !errors.Is(err, ErrTruncated) {
			t.Errorf("%s: the stream of a failed writer reads with %v", name, err)
		}
	}
	full := errors.New("no space")
	w := NewWriter(writerFunc(func([]byte) (int, error) { return 0, full }))
	if err := w.Chunk(make([]byte, 1<<20)); !errors.Is(err, full) {
		t.Errorf("Chunk to a full disk: %v", err)
	}
	if err := w.Close(); !errors.Is(err, full) {
		t.Errorf("Close on a full disk: %v", err)
	}
	w = NewWriter(writerFunc(func([]byte) (int, error) { return 0, full }))
	if err := w.Close(); !errors.Is(err, full) {
		t.Errorf("Close of an empty stream on a full disk: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
