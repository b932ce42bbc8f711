package store

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hc/lib/hash"
	"hc/lib/merkle"
)

// TestDamage flips each bit of a pack in turn: what is read is either right, or reported as missing or damaged.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	m := newModel(1)
	if err := m.append(t.Context(), s, TxOptions{Durable: true}, blocksOf("first", strings.Repeat("second ", 100), "third")...); err != nil {
		t.Fatal(err)
	}
	if err := newModel(2).append(t.Context(), s, TxOptions{Durable: true}, blocksOf("another")...); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	packs, err := filepath.Glob(filepath.Join(dir, "packs", "*.pack"))
	if err != nil || len(packs) != 1 {
		t.Fatalf("packs: %v, %v", packs, err)
	}
	raw, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for i := range raw {
		raw[i] ^= 1 << (i % 8)
		if err := os.WriteFile(packs[0], raw, 0o644); err != nil {
			t.Fatal(err)
		}
		found += readDamaged(t, dir, m)
		raw[i] ^= 1 << (i % 8)
	}
	if found < len(raw)*8/10 { // not what nobody read: the other core's block, and what follows a mark
		t.Fatalf("of %d flipped bits %d were seen", len(raw), found)
	}
}

// readDamaged reads a core and returns 1 if the damage is noticed.
func readDamaged(t *testing.T, dir string, m *modelCore) int {
	t.Helper()
	s, err := Open(t.Context(), dir, Options{ReadOnly: true})
	if err != nil {
		return 1
	}
	defer s.Close()
	v, err := s.View(t.Context(), m.key, false)
	if err != nil {
		return 1
	}
	hurt := 0
	for b, want := range m.blocks {
		data, err := v.Block(t.Context(), uint64(b))
		switch {
		case err == nil && !bytes.Equal(data, want):
			t.Fatalf("block %d is %q", b, data)
		case err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrBlockMissing):
			t.Fatalf("block %d: %v", b, err)
		case err != nil:
			hurt = 1
		}
	}
	for index, want := range m.nodes {
		n, err := v.Node(t.Context(), index)
		if err == nil && !merkle.Same(n, want) {
			t.Fatalf("node %d is %v", index, n)
		}
	}
	if len(s.Damage()) > 0 {
		hurt = 1
	}
	return hurt
}

// TestDerivedLost removes or changes each derived file in turn: nothing is lost, and a checkpoint makes it again.
func TestDerivedLost(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{tuning: tiny})
	r := rand.New(rand.NewPCG(2, 2))
	own, lines := newModel(1), newModel(2)
	for range 6 {
		if err := own.append(t.Context(), s, TxOptions{Durable: true}, randomBlocks(r, 6, 300)...); err != nil {
			t.Fatal(err)
		}
		if err := lines.append(t.Context(), s, TxOptions{Durable: true, Short: true}, lineBlocks(r, 5)...); err != nil {
			t.Fatal(err)
		}
	}
	derived := func() (list []string) {
		for _, pattern := range []string{"applied", "index/*", "cores/*/*"} {
			found, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(found) == 0 {
				t.Fatalf("no %s: %v", pattern, err)
			}
			list = append(list, found...)
		}
		return list
	}
	hurt := map[string]func(string) error{
		"removed":   os.Remove,
		"emptied":   func(path string) error { return os.Truncate(path, 0) },
		"cut":       func(path string) error { return os.Truncate(path, 100) },
		"scrambled": func(path string) error { return scramble(path) },
	}
	for name, do := range hurt {
		for i := range derived() {
			files := derived()
			if i >= len(files) {
				break
			}
			if err := do(files[i]); err != nil {
				t.Fatal(err)
			}
			// One reader, and one writer whose checkpoint mends it.
			for _, options := range []Options{{ReadOnly: true}, {tuning: tiny}} {
				again, err := Open(t.Context(), dir, options)
				if err != nil {
					t.Fatalf("%s %s: %v", files[i], name, err)
				}
				own.check(t, own.view(t, again))
				lines.check(t, lines.view(t, again))
				if !options.ReadOnly {
					if err := own.append(t.Context(), again, TxOptions{Durable: true}, randomBlocks(r, 3, 50)...); err != nil {
						t.Fatal(err)
					}
					if err := again.Checkpoint(t.Context()); err != nil {
						t.Fatalf("%s %s: %v", files[i], name, err)
					}
					own.check(t, own.view(t, again))
				}
				if err := again.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// scramble changes a byte in every page of a file.
func scramble(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for i := 50; i < len(raw); i += 4096 {
		raw[i] ^= 0x10
	}
	return os.WriteFile(path, raw, 0o644)
}

// TestPutAgain mends a damaged block by putting it again: for the core that got it, and for another core that has it.
func TestPutAgain(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	block := randomBlocks(rand.New(rand.NewPCG(1, 1)), 1, 9000)[0]
	block = append(block, bytes.Repeat([]byte{7}, 3000)...)
	m, twin := newModel(1), newModel(2)
	for _, core := range []*modelCore{m, twin} {
		if err := core.append(t.Context(), s, TxOptions{Durable: true}, []byte("a"), block, []byte("b")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	packs, err := filepath.Glob(filepath.Join(dir, "packs", "*.pack"))
	if err != nil || len(packs) != 1 {
		t.Fatal(packs, err)
	}
	raw, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	raw[bytes.Index(raw, block[100:200])] ^= 1
	if err := os.WriteFile(packs[0], raw, 0o644); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{})
	if _, err := m.view(t, s).Block(t.Context(), 1); !errors.Is(err, ErrDamaged) {
		t.Fatalf("a damaged block: %v", err)
	}
	tx, err := s.Begin(t.Context(), twin.key, TxOptions{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, data := range twin.blocks {
		if err := tx.Put(t.Context(), uint64(i), hash.Leaf(data), data); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	twin.check(t, twin.view(t, s))
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	twin.check(t, twin.view(t, s))
	m.check(t, m.view(t, s))
}
