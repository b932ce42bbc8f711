package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"hc/lib/store/derived"
)

// randomBlocks returns n blocks of at most max bytes, which hardly compress.
func randomBlocks(r *rand.Rand, n, max int) [][]byte {
	blocks := make([][]byte, n)
	for i := range blocks {
		b := make([]byte, r.IntN(max+1))
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		blocks[i] = b
	}
	return blocks
}

func lineBlocks(r *rand.Rand, n int) [][]byte {
	blocks := make([][]byte, n)
	for i := range blocks {
		blocks[i] = fmt.Appendf(nil, "{\"n\":%d,\"value\":%d}\n", i, r.IntN(1000))
	}
	return blocks
}

func TestAppendAndRead(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	cases := []struct {
		name    string
		options TxOptions
		batches [][][]byte
	}{
		{"empty", TxOptions{Durable: true}, [][][]byte{nil}},
		{"one", TxOptions{Durable: true}, [][][]byte{{[]byte("hello")}}},
		{"one empty block", TxOptions{}, [][][]byte{{{}}}},
		{"blocks", TxOptions{Durable: true}, [][][]byte{randomBlocks(r, 7, 100000), randomBlocks(r, 50, 5000)}},
		{"large block", TxOptions{}, [][][]byte{{bytes.Repeat([]byte("0123456789"), 1<<20)}, randomBlocks(r, 1, 3<<20)}},
		{"lines", TxOptions{Short: true}, [][][]byte{lineBlocks(r, 30000), lineBlocks(r, 1), lineBlocks(r, 3)}},
		{"lines without end", TxOptions{Short: true}, [][][]byte{{[]byte("a\n"), []byte("b")}, {[]byte("c"), []byte("d\n")}}},
		{"short, not lines", TxOptions{Short: true}, [][][]byte{{[]byte("a\nb\n"), {}, []byte("\n"), {}}}},
		{"deduplicated", TxOptions{}, [][][]byte{{[]byte("x"), []byte("x"), []byte("y")}, {[]byte("y"), []byte("z"), []byte("x")}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openTest(t, dir, Options{})
			m := newModel(1)
			var views []*View
			var models []modelCore
			for i, batch := range c.batches {
				if err := m.append(t.Context(), s, c.options, batch...); err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					views = append(views, m.view(t, s))
					models = append(models, *m)
				}
				m.check(t, m.view(t, s))
			}
			reader := openTest(t, dir, Options{ReadOnly: true})
			m.check(t, m.view(t, reader))
			if len(views) > 0 {
				if got := views[0].Head(); !derived.SameHead(got, models[0].head) {
					t.Fatalf("an older view moved to %+v", got)
				}
			}
			list, err := s.Cores(t.Context())
			if err != nil || len(list) != 1 || list[0] != m.key {
				t.Fatalf("Cores() = %v, %v", list, err)
			}
		})
	}
}

func TestNotFound(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	if _, err := s.View(t.Context(), newModel(9).key, false); !errors.Is(err, ErrNotFound) {
		t.Fatalf("View = %v, want ErrNotFound", err)
	}
	if _, err := Open(t.Context(), t.TempDir(), Options{}); err == nil {
		t.Fatal("an empty folder opened as a store")
	}
}
