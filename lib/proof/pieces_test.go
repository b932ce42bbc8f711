package proof

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
)

// pieces is a PiecesWriter that keeps copies of what it is given.
type pieces struct {
	written []byte
	groups  int
	lent    map[*byte]bool // first bytes of its pieces
	fails   error
}

func (p *pieces) Write(b []byte) (int, error) {
	p.written = append(p.written, b...)
	return len(b), nil
}

func (p *pieces) WritePieces(all [][]byte) error {
	if p.fails != nil {
		return p.fails
	}
	p.groups++
	for i, piece := range all {
		p.written = append(p.written, piece...)
		if p.lent != nil && len(piece) > 0 {
			p.lent[&piece[0]] = true
		}
		all[i] = nil // as it may
	}
	return nil
}

// A writer that takes many pieces at once gets each group that way, with the long blocks in place, and gets the same
// bytes in total as others.
func TestGroupsInPieces(t *testing.T) {
	sizes := []int{100_000, 1, 50_000, leastLent, leastLent - 1, 0, maxRun + 1, 3000}
	l := newLog(t, random(300, func(i int) int { return sizes[i%len(sizes)] })...)
	want := l.stream(t, WriteOptions{}, nil)
	out := pieces{lent: map[*byte]bool{}}
	if err := Write(t.Context(), &out, l, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.written, want) {
		t.Errorf("%d bytes, not the %d of a plain writer", len(out.written), len(want))
	}
	for i, block := range l.blocks {
		if len(block) >= leastLent && !out.lent[&block[0]] {
			t.Errorf("block %d of %d bytes was copied", i, len(block))
		}
	}

	groups := 0
	content := pieces{}
	opt := Options{Out: &content, Progress: func(bytes, _ uint64) {
		if bytes > 0 {
			groups++
		}
	}}
	if _, err := Verify(t.Context(), bytes.NewReader(want), opt, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content.written, bytes.Join(l.blocks, nil)) || content.groups != groups || groups < 5 {
		t.Errorf("%d bytes in %d writes of %d groups", len(content.written), content.groups, groups)
	}
}

// placing is a source with every other block in a file.
type placing struct {
	*testLog
	file io.ReaderAt
}

func (p placing) Return(uint64) {}

func (p placing) Place(block uint64) (io.ReaderAt, int64) {
	if block%2 == 1 {
		return nil, 0
	}
	return p.file, int64(block) << 20
}

// files is a FileWriter that records what it is told to take from a file.
type files struct {
	pieces
	file  io.ReaderAt
	taken map[int64][]byte // by offset
}

func (f *files) WriteFrom(file io.ReaderAt, offset int64, b []byte) error {
	if file != f.file {
		return errors.New("from another file")
	}
	f.taken[offset] = b
	_, err := f.Write(b)
	return err
}

// A writer that can take bytes from files is told where long blocks are, and gets the same bytes in total as others.
func TestBlocksInFiles(t *testing.T) {
	sizes := []int{100_000, 70_000, 1, 40_000, leastLent}
	l := newLog(t, random(100, func(i int) int { return sizes[i%len(sizes)] })...)
	from := placing{l, bytes.NewReader(nil)}
	out := files{file: from.file, taken: map[int64][]byte{}}
	if err := Write(t.Context(), &out, from, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := l.stream(t, WriteOptions{}, nil); !bytes.Equal(out.written, want) {
		t.Errorf("%d bytes, not the %d of a plain writer", len(out.written), len(want))
	}
	for i, block := range l.blocks {
		taken, ok := out.taken[int64(i)<<20]
		if inFile := i%2 == 0 && len(block) >= 40_000; ok != inFile || ok && &taken[0] != &block[0] {
			t.Errorf("block %d of %d bytes: taken from a file: %v", i, len(block), ok)
		}
	}
}

// For a claim of bytes only these are written, in pieces, too.
func TestBytesInPieces(t *testing.T) {
	l := newLog(t, random(40, func(i int) int { return 10_000 + i })...)
	all := bytes.Join(l.blocks, nil)
	for _, c := range []Claim{{Kind: KindBytes, From: 123_456, To: 234_567}, {Kind: KindBytes, From: 10_000, To: 10_000}, {Kind: KindBytes, From: 399_000, To: Open}} {
		out := pieces{}
		if _, err := Verify(t.Context(), bytes.NewReader(l.stream(t, WriteOptions{Claim: c}, nil)), Options{Claim: &c, Out: &out}, nil); err != nil {
			t.Fatal(err)
		}
		if want := all[c.From : min(c.To, uint64(len(all))-1)+1]; !bytes.Equal(out.written, want) {
			t.Errorf("%v: %d bytes, want %d", c, len(out.written), len(want))
		}
	}
}

// The first error of a writer of pieces ends the stream.
func TestPiecesFail(t *testing.T) {
	l := newLog(t, random(60, func(int) int { return 70_000 })...)
	wrong := errors.New("no room")
	out := pieces{fails: wrong}
	if err := Write(context.Background(), &out, l, WriteOptions{}); !errors.Is(err, wrong) {
		t.Errorf("writing: %v", err)
	}
	if len(out.written) > 1000 {
		t.Errorf("%d bytes were written behind it", len(out.written))
	}
	if _, err := Verify(t.Context(), bytes.NewReader(l.stream(t, WriteOptions{}, nil)), Options{Out: &out}, nil); !errors.Is(err, wrong) {
		t.Errorf("verifying: %v", err)
	}
}
