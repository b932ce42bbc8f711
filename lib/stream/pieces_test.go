package stream

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// piecesBuffer takes pieces, and changes them afterwards, as nobody else may.
type piecesBuffer struct {
	bytes.Buffer
	pieces, copied int
	fail           error
}

func (p *piecesBuffer) Write(b []byte) (int, error) {
	p.copied += len(b)
	return p.Buffer.Write(b)
}

func (p *piecesBuffer) WritePieces(pieces [][]byte) error {
	if p.fail != nil {
		return p.fail
	}
	for i, piece := range pieces {
		p.pieces++
		p.Buffer.Write(piece)
		pieces[i] = nil
	}
	return nil
}

// Blocks that are written many at a time, from where they are, make the same stream as one by one; and none of them
// is read after ChunksFrom has returned.
func TestChunksAreLent(t *testing.T) {
	var blocks []string
	for i := range 300 {
		n := []int{0, 1, 3000, direct - 1, direct, 80_000, writeBuffer, writeBuffer + 1, 600_000}[i/2*5%9]
		blocks = append(blocks, strings.Repeat(string(rune('a'+i%26)), n))
	}
	for i := range 1000 { // small ones, which share frames, with an occasional one that has its own
		blocks = append(blocks, strings.Repeat(string(rune('a'+i%26)), 3000+i%40/39*100_000))
	}
	want := write(t, blocks, func(int) bool { return false })
	batches := []int{1, 2, 7, 300, 2000}
	if testing.Short() {
		batches = []int{7, 2000}
	}
	for _, most := range batches {
		var out piecesBuffer
		w := NewWriter(&out)
		for at := 0; at < len(blocks); at += most {
			var lent [][]byte
			for _, b := range blocks[at:min(len(blocks), at+most)] {
				lent = append(lent, []byte(b))
			}
			check(t, w.ChunksFrom(nil, 0, lent...))
			for _, b := range lent {
				clear(b)
			}
		}
		check(t, w.Close())
		if !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%d at a time: %d bytes, other ones than the %d of one by one", most, out.Len(), len(want))
		}
		if out.pieces == 0 || out.copied > len(want)/5 {
			t.Errorf("%d at a time: %d pieces, and %d bytes were copied", most, out.pieces, out.copied)
		}
	}
}

// A writer that knows nothing of pieces gets the same bytes, and errors are returned.
func TestChunksWithoutPieces(t *testing.T) {
	blocks := []string{strings.Repeat("a", 100_000), "b", strings.Repeat("c", 20_000)}
	var out bytes.Buffer
	w := NewWriter(&out)
	check(t, w.ChunksFrom(nil, 0, []byte(blocks[0]), []byte(blocks[1]), []byte(blocks[2])))
	check(t, w.Close())
	if want := write(t, blocks, func(int) bool { return false }); !bytes.Equal(out.Bytes(), want) {
		t.Error("another stream")
	}
	full := errors.New("no space")
	w = NewWriter(&piecesBuffer{fail: full})
	if err := w.ChunksFrom(nil, 0, []byte(blocks[0])); !errors.Is(err, full) {
		t.Errorf("pieces to a full disk: %v", err)
	}
	if err := w.Close(); !errors.Is(err, full) {
		t.Errorf("Close on a full disk: %v", err)
	}
	w = NewWriter(writerFunc(func(b []byte) (int, error) { return len(b) - 1, nil }))
	if err := errors.Join(w.Chunk(make([]byte, 1<<20)), w.Close()); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("short writes: %v", err)
	}
}
