package store

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"hc/lib/keys"
	"hc/lib/store/derived"
)

// forgetDerived removes everything that is derived from a store's log.
func forgetDerived(t testing.TB, dir string) {
	t.Helper()
	for _, name := range []string{derived.AppliedName, "index", "cores"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClear forgets blocks, checks that the others can be proved, even with everything built again, and gets them back.
func TestClear(t *testing.T) {
	for _, short := range []bool{false, true} {
		for length := range uint64(18) {
			dir := t.TempDir()
			s := openTest(t, dir, Options{tuning: tuning{never: true}})
			m := newModel(1)
			r := rand.New(rand.NewPCG(length, 1))
			blocks := randomBlocks(r, int(length), 50)
			if short {
				blocks = lineBlocks(r, int(length))
			}
			if err := m.append(t.Context(), s, TxOptions{Durable: true, Short: short}, blocks...); err != nil {
				t.Fatal(err)
			}
			first := r.Uint64N(length + 1)
			end := first + r.Uint64N(length+3-first)
			whole := m.clone()
			m.kept = m.proofs(t.Context(), m.view(t, s), first, end)
			if err := s.Clear(t.Context(), m.key, first, end); err != nil {
				t.Fatal(err)
			}
			for b := first; b < end; b++ {
				delete(m.held, b)
			}
			m.check(t, m.view(t, s))
			if err := s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			m.check(t, m.view(t, s))
			forgetDerived(t, dir)
			again := openTest(t, dir, Options{tuning: tuning{never: true}})
			m.check(t, m.view(t, again))
			var gone []uint64
			for b := range whole.held {
				if !m.held[b] {
					gone = append(gone, b)
				}
			}
			if err := m.put(t.Context(), again, TxOptions{Short: short}, gone); err != nil {
				t.Fatal(err)
			}
			m.kept = nil
			m.check(t, m.view(t, again))
		}
	}
}

func TestDrop(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{LockWait: -1})
	gone, stays := newModel(1), newModel(2)
	blocks := randomBlocks(rand.New(rand.NewPCG(1, 1)), 9, 500)
	for _, m := range []*modelCore{gone, stays} {
		if err := m.append(t.Context(), s, TxOptions{Durable: true}, blocks...); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := s.Begin(t.Context(), gone.key, TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(t.Context(), gone.key); !errors.Is(err, ErrLocked) {
		t.Fatalf("Drop of a core that is written to: %v", err)
	}
	tx.Abort()
	if err := s.Drop(t.Context(), gone.key); err != nil {
		t.Fatal(err)
	}
	see := func(s *Store) {
		t.Helper()
		if _, err := s.View(t.Context(), gone.key, true); !errors.Is(err, ErrNotFound) {
			t.Fatalf("View of a dropped core: %v", err)
		}
		stays.check(t, stays.view(t, s))
	}
	see(s)
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	see(s)
	forgetDerived(t, dir)
	see(openTest(t, dir, Options{}))
	for _, err := range []error{s.Drop(t.Context(), gone.key), s.Clear(t.Context(), gone.key, 0, 9)} {
		if !errors.Is(err, ErrNotFound) {
			t.Fatalf("of a core that is not there: %v", err)
		}
	}
	again := newModel(1)
	if err := again.append(t.Context(), s, TxOptions{Durable: true}, blocks[3:6]...); err != nil {
		t.Fatal(err)
	}
	again.check(t, again.view(t, s))
}

func TestRemoveName(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	key := keys.Key{7}
	if err := errors.Join(s.SetName(t.Context(), "table", key), s.PutSecret(t.Context(), key, keys.SecretFromSeed([32]byte{1}))); err != nil {
		t.Fatal(err)
	}
	path, err := s.SecretPath(key)
	if err != nil || path != filepath.Join(dir, "keys", key.String()) {
		t.Fatalf("SecretPath = %q, %v", path, err)
	}
	if err := errors.Join(s.RemoveName(t.Context(), "table"), s.RemoveSecret(t.Context(), key)); err != nil {
		t.Fatal(err)
	}
	_, resolving := s.Resolve("table")
	_, secret := s.Secret(key)
	_, pathErr := s.SecretPath(key)
	for _, err := range []error{resolving, secret, pathErr, s.RemoveName(t.Context(), "table"), s.RemoveSecret(t.Context(), key)} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("behind the removal: %v", err)
		}
	}
	if err := s.RemoveName(t.Context(), "../format"); !errors.Is(err, ErrName) {
		t.Errorf("RemoveName of a path: %v", err)
	}
}
