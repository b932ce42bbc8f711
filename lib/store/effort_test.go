package store

import (
	"math/rand/v2"
	"testing"
)

// TestEffort stores the same text with each effort: less effort takes more room, until a repack.
func TestEffort(t *testing.T) {
	source := text(rand.New(rand.NewPCG(1, 9)), 2<<20)
	var blocks [][]byte
	for at := 0; at < len(source); at += 20 << 10 {
		blocks = append(blocks, source[at:min(at+20<<10, len(source))])
	}
	var stored, repacked []int64
	for _, effort := range []Effort{Thorough, Quick} {
		dir := t.TempDir()
		s := openTest(t, dir, Options{})
		m := newModel(1)
		if err := m.append(t.Context(), s, TxOptions{Durable: true, Effort: effort}, blocks...); err != nil {
			t.Fatal(err)
		}
		sound(t, s, m)
		stored = append(stored, packBytes(t, dir))
		if _, err := s.Repack(t.Context(), RepackOptions{}); err != nil {
			t.Fatal(err)
		}
		sound(t, s, m)
		repacked = append(repacked, packBytes(t, dir))
	}
	if stored[0] >= stored[1] || stored[1] > int64(len(source))/2 {
		t.Errorf("%d bytes of text take %d bytes, by effort", len(source), stored)
	}
	for _, size := range repacked {
		if size > stored[0]+2048 {
			t.Errorf("they take %d bytes once repacked, %d as appended with all effort", repacked, stored[0])
		}
	}
}
