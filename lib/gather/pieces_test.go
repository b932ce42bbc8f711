package gather

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// shortWriter is a file that takes less than it is given, as a full disk or a signal makes it do.
type shortWriter struct {
	random *rand.Rand
	data   []byte
	room   int // bytes of data that it takes before it fails
}

var errFull = errors.New("full")

func (w *shortWriter) write(pieces [][]byte) (int, error) {
	if len(pieces) > MostPieces {
		return -1, errors.New("too many pieces")
	}
	all := bytes.Join(pieces, nil)
	if len(w.data) == w.room && len(all) > 0 {
		return -1, errFull
	}
	n := min(w.room-len(w.data), 1+w.random.IntN(len(all)))
	if w.random.IntN(4) == 0 { // just to the end of a piece
		n = min(w.room-len(w.data), len(pieces[0]))
	}
	w.data = append(w.data, all[:n]...)
	return n, nil
}

// What a write does not take comes with the next one, wherever it stopped; a disk that is full then has the beginning, and that is told.
// The bytes stay as they are.
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
			pieces = slices.Repeat(pieces, 2*MostPieces)
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
