package gather

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// shortWriter is a file that takes less than it is given, as with a full disk or a signal.
type shortWriter struct {
	random *rand.Rand
	data   []byte
	room   int // bytes of data that it takes before it fails
}

var errFull = errors.New("full")

func (w *shortWriter) write(pieces [][]byte) (int, error) {
	if len(pieces) > mostPieces {
		return -1, errors.New("too many pieces")
	}
	all := bytes.Join(pieces, nil)
	if len(w.data) == w.room && len(all) > 0 {
		return -1, errFull
	}
	n := min(w.room-len(w.data), 1+w.random.IntN(len(all)))
	if w.random.IntN(4) == 0 { // exactly to the end of a piece
		n = min(w.room-len(w.data), len(pieces[0]))
	}
	w.data = append(w.data, all[:n]...)
	return n, nil
}

// Bytes that a write does not take come with the next one, wherever it stopped. A full disk has the first bytes, and
// the error is returned. The bytes do not change.
func TestShortWrites(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		var pieces [][]byte
		for range 1 + random.IntN(20) {
			piece := make([]byte, random.IntN(50))
			for i := range piece {
				piece[i] = byte(random.Uint32())
			}
			pieces = append(pieces, piece)
		}
		if round%100 == 0 {
			pieces = slices.Repeat(pieces, 2*mostPieces)
		}
		all := bytes.Join(pieces, nil)
		w := &shortWriter{random: random, room: len(all)}
		if err := WriteAll(slices.Clone(pieces), w.write); err != nil || !bytes.Equal(w.data, all) {
			t.Fatalf("round %d: %d of %d bytes, %v", round, len(w.data), len(all), err)
		}
		w = &shortWriter{random: random, room: random.IntN(len(all))}
		if err := WriteAll(slices.Clone(pieces), w.write); !errors.Is(err, errFull) || !bytes.Equal(w.data, all[:w.room]) {
			t.Fatalf("round %d, room for %d: %d bytes, %v", round, w.room, len(w.data), err)
		}
		if !bytes.Equal(bytes.Join(pieces, nil), all) {
			t.Fatalf("round %d: the pieces' bytes are other ones now", round)
		}
	}
	nothing := func([][]byte) (int, error) { return 0, nil }
	if err := WriteAll([][]byte{{}, {}}, nothing); err != nil {
		t.Errorf("there is nothing to write: %v", err)
	}
	if err := WriteAll([][]byte{{1}, {2}}, nothing); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("of a file that takes nothing: %v", err)
	}
}

// sender takes pieces, and takes bytes that are in a file from there.
type sender struct {
	bytes.Buffer
	t    *testing.T
	sent int
}

func (s *sender) WritePieces(pieces [][]byte) error {
	for i, piece := range pieces {
		s.Write(piece)
		pieces[i] = nil
	}
	return nil
}

func (s *sender) WriteFrom(file io.ReaderAt, offset int64, b []byte) error {
	s.sent++
	stored := make([]byte, len(b))
	if _, err := file.ReadAt(stored, offset); err != nil || !bytes.Equal(stored, b) {
		s.t.Errorf("%d bytes at %d of the file are other ones: %v", len(b), offset, err)
	}
	s.Write(b)
	return nil
}

// Bytes that are in a file are written from there, in order with everything else, unless they are too few to be worth
// it.
func TestLendFrom(t *testing.T) {
	content := make([]byte, 100*leastSent)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	file := bytes.NewReader(content)
	for round := range 100 {
		var want []byte
		out, long := &sender{t: t}, 0
		var err error
		w := New(out, 1<<10)
		for range random.IntN(30) {
			at := random.IntN(len(content) - 2*leastSent)
			b := content[at : at+1+random.IntN(2*leastSent)]
			want = append(want, b...)
			switch random.IntN(4) {
			case 0:
				_, err = w.Write(b)
			case 1:
				err = w.Lend(b)
			case 2:
				err = w.LendFrom(file, int64(at), b)
				if len(b) >= leastSent {
					long++
				}
			default:
				want = want[:len(want)-len(b)]
				err = w.Flush()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil || !bytes.Equal(out.Bytes(), want) || out.sent != long {
			t.Fatalf("round %d: %d bytes of %d, %d of %d pieces from the file, %v", round, out.Len(), len(want), out.sent, long, err)
		}
	}
}
