package proof

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// pieceReader reads at most a given number of bytes at a time.
type pieceReader struct {
	from io.Reader
	most int
}

func (p pieceReader) Read(b []byte) (int, error) { return p.from.Read(b[:min(len(b), p.most)]) }

// largeBlocks returns blocks that are hashed along with those before them, and between them some that are not.
func largeBlocks() [][]byte {
	return random(90, func(i int) int {
		switch {
		case i%13 == 5:
			return 100
		case i == 40:
			return 3 << 20 // a group of its own, too large for any buffer
		}
		return leastComing - 1 + 4099*(i%29)
	})
}

// However the bytes come, the same ones come out.
func TestReadInPieces(t *testing.T) {
	l := newLog(t, largeBlocks()...)
	stream := l.stream(t, WriteOptions{}, nil)
	want := bytes.Join(l.blocks, nil)
	for name, r := range map[string]io.Reader{
		"at once":          bytes.NewReader(stream),
		"with the end":     iotest.DataErrReader(bytes.NewReader(stream)),
		"half of it":       iotest.HalfReader(bytes.NewReader(stream)),
		"1000 bytes":       pieceReader{bytes.NewReader(stream), 1000},
		"50,000 bytes":     pieceReader{bytes.NewReader(stream), 50_000},
		"a group and more": pieceReader{bytes.NewReader(stream), 1<<20 + 999},
	} {
		var out bytes.Buffer
		sum, err := Verify(t.Context(), r, Options{Out: &out}, &sinkLog{t: t, log: l})
		if err != nil || !bytes.Equal(out.Bytes(), want) || sum.Blocks != l.length() {
			t.Errorf("%s: %d bytes of %d, %v", name, out.Len(), len(want), err)
		}
	}
}

// A wrong byte is found where it is: the output before it is right, and neither its group nor any after it comes out.
func TestFlippedBitsInWhatIsComing(t *testing.T) {
	l := newLog(t, largeBlocks()...)
	stream := l.stream(t, WriteOptions{}, nil)
	want := bytes.Join(l.blocks, nil)
	at, before := 0, 0
	for i, block := range l.blocks {
		at += bytes.Index(stream[at:], block)
		if i%stride(5) != 0 {
			before += len(block)
			continue
		}
		stream[at+len(block)/2] ^= 1
		var out bytes.Buffer
		_, err := Verify(t.Context(), bytes.NewReader(stream), Options{Out: &out}, nil)
		if !errors.Is(err, ErrUnverified) || out.Len() > before || !bytes.HasPrefix(want, out.Bytes()) {
			t.Errorf("block %d: %d bytes of the %d before it, %v", i, out.Len(), before, err)
		}
		stream[at+len(block)/2] ^= 1
		before += len(block)
	}
}

// An error of the input is reported after all groups that came in full, however much of the next one did.
func TestReadFails(t *testing.T) {
	l := newLog(t, largeBlocks()...)
	stream := l.stream(t, WriteOptions{}, nil)
	wrong := errors.New("the disk is gone")
	groups := 0
	_, err := Verify(t.Context(), bytes.NewReader(stream[:len(stream)*3/4]), Options{Progress: func(bytes, _ uint64) { groups++ }}, nil)
	if !errors.Is(err, ErrCut) || groups < 2 {
		t.Fatalf("%d groups of a stream that is cut, %v", groups, err)
	}
	all := groups
	groups = 0
	in := io.MultiReader(bytes.NewReader(stream[:len(stream)*3/4]), iotest.ErrReader(wrong))
	if _, err = Verify(t.Context(), in, Options{Progress: func(bytes, _ uint64) { groups++ }}, nil); !errors.Is(err, wrong) || groups != all {
		t.Errorf("%d groups of %d, %v", groups, all, err)
	}
	if _, err := Verify(t.Context(), idle{}, Options{}, nil); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("of nothing, for ever: %v", err)
	}
}

// idle is a reader from which nothing comes.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// coming returns the whole frames of large blocks, whether these are alone in them or not, up to the first other
// frame.
func TestComing(t *testing.T) {
	var in bytes.Buffer
	var want []string
	frame := func(line string, blocks ...int) (end int) {
		in.WriteString(line + "\n")
		for _, size := range blocks {
			block := string(bytes.Repeat([]byte{'A' + byte(len(want))}, size))
			in.WriteString(block)
			want = append(want, block)
		}
		in.WriteString("\n")
		return in.Len()
	}
	in.WriteString("node 5 1000 " + string(bytes.Repeat([]byte("ab"), 32)) + "\n")
	first := frame("block 7 8192 9000", 8192, 9000)
	second := frame("block 9 70000", 70_000)
	frame("block 10 9000 8191", 9000, 8191) // one is small
	frame("block 12 8192", 8192)
	for have, blocks := range map[int]int{0: 0, 100: 0, first - 1: 0, first: 2, first + 20: 2, second - 1: 2, second: 3, in.Len(): 3} {
		r := reader{buf: in.Bytes(), end: have, top: in.Len()}
		got := r.coming(nil)
		if len(got) != blocks || len(r.leaves) != blocks {
			t.Errorf("of %d bytes: %d blocks and %d leaves, want %d", have, len(got), len(r.leaves), blocks)
			continue
		}
		for i, b := range got {
			if at := r.leaves[i].offset; string(b) != want[i] || !bytes.HasPrefix(in.Bytes()[at:], b) {
				t.Errorf("of %d bytes: block %d has %d bytes, which are not those at %d", have, i, len(b), at)
			}
		}
	}
	for _, line := range []string{"block", "block 7", "block 7 ", "block 7 x", "block 7  8192", "block 7 8192 ", "block 7 18446744073709551615", "block 7 8192 18446744073709551615", "lines 7 1 8192"} {
		in.Reset()
		frame(line, 20_000)
		r := reader{buf: in.Bytes(), end: in.Len(), top: in.Len()}
		if got := r.coming(nil); len(got) > 0 {
			t.Errorf("%q: %d blocks", line, len(got))
		}
	}
	in.Reset()
	for range mostComing - 1 {
		frame("block 7 8192", 8192)
	}
	frame("block 7 8192 8192", 8192, 8192)
	frame("block 7 8192", 8192)
	r := reader{buf: in.Bytes(), end: in.Len(), top: in.Len()}
	if got := r.coming(nil); len(got) != mostComing-1 {
		t.Errorf("%d blocks, where there is room for %d", len(got), mostComing)
	}
}
