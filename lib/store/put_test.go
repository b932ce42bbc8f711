package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"hc/lib/hash"
)

// Blocks that come from the end of a log to its beginning, apart from one another and more than a span can name, are
// named in several spans; the first one by its blocks names the last runs.
func TestPutsOfManySpans(t *testing.T) {
	m := newModel(1)
	var lines [][]byte
	for i := range 62_000 {
		lines = append(lines, fmt.Appendf(nil, "line %0200d\n", i))
	}
	m.grow(false, lines...)
	m.head = m.sign(0)
	var backwards []uint64
	for block := len(lines) - 2; block >= 0; block -= 2 {
		backwards = append(backwards, uint64(block))
	}
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	if err := m.put(t.Context(), s, TxOptions{Short: true, Durable: true}, backwards); err != nil {
		t.Fatal(err)
	}
	view := m.view(t, s)
	for _, block := range backwards {
		if data, err := view.Block(t.Context(), block); err != nil || !bytes.Equal(data, lines[block]) {
			t.Fatalf("block %d: %q, %v", block, data, err)
		}
	}
}

// If the index leads to another block than it says, the error says so.
func TestPutOfMisplacedBlock(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	stored, missing := []byte("stored"), hash.Leaf([]byte("missing"))
	appendBlocks(t, s, newModel(1), [][]byte{stored})
	tx, err := s.Begin(t.Context(), newModel(2).key, TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Abort()
	index := tx.view.state.index
	index[missing] = index[hash.Leaf(stored)]
	err = tx.Put(t.Context(), 0, missing, nil)
	if !errors.Is(err, ErrBlockMissing) || !strings.Contains(err.Error(), "has another leaf hash") {
		t.Errorf("Put = %v", err)
	}
}
