package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
)

func grantHead(fork, length uint64, tree byte) keys.Head {
	return keys.Head{Fork: fork, Length: length, TreeHash: hash.Digest{tree}}
}

func published(t *testing.T, s *Store, key keys.Key) keys.Head {
	t.Helper()
	head, err := s.published(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func TestReserve(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	m := newModel(1)
	none := keys.Head{}
	reserve := func(base, next keys.Head, inTheWay *keys.Head) {
		t.Helper()
		err := s.Reserve(t.Context(), m.key, base, next)
		var taken *Taken
		switch {
		case inTheWay == nil && err != nil:
			t.Fatalf("reserving %+v: %v", next, err)
		case inTheWay != nil && (!errors.As(err, &taken) || !errors.Is(err, ErrConflict) || taken.By != *inTheWay):
			t.Fatalf("reserving %+v: %v, want it taken by %+v", next, err, *inTheWay)
		}
		s = openTest(t, dir, Options{}) // promises are on the disk
	}
	first := grantHead(0, 2, 1)
	reserve(none, first, nil)
	reserve(none, first, nil)
	reserve(none, grantHead(0, 2, 9), &first)
	reserve(none, grantHead(0, 3, 9), &first)
	reserve(none, grantHead(0, 1, 9), &first)
	reserve(grantHead(0, 1, 1), grantHead(0, 3, 9), &none)

	if err := m.append(t.Context(), s, TxOptions{Durable: true}, blocksOf("a", "b")...); err != nil {
		t.Fatal(err)
	}
	now := published(t, s, m.key)
	reserve(now, now, nil) // is published
	reserve(none, grantHead(0, 3, 9), &now)
	reserve(now, grantHead(0, 2, 9), &now)
	reserve(now, grantHead(0, 1, 9), &now)
	second := grantHead(0, 3, 2)
	reserve(now, second, nil) // the first promise was kept
	reserve(now, grantHead(0, 4, 9), &second)
	fork := grantHead(1, 1, 3)
	reserve(now, fork, nil) // only the owner makes a fork
	reserve(now, second, &fork)
	reserve(now, grantHead(0, 9, 9), &fork)
}

func TestReserveDamaged(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	key, next := keys.Key{1}, grantHead(1, 20, 3)
	if err := s.Reserve(t.Context(), key, keys.Head{}, next); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, grantsFolder, key.String())
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(good) {
		bad := append([]byte(nil), good...)
		bad[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := s.Reserve(t.Context(), key, keys.Head{}, next); !errors.Is(err, ErrDamaged) {
			t.Fatalf("with bit %d flipped: %v, want ErrDamaged", bit, err)
		}
	}
	for n := range good {
		if _, err := decodeGrant(good[:n]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("of %d bytes: %v, want ErrDamaged", n, err)
		}
	}
	if err := openTest(t, dir, Options{ReadOnly: true}).Reserve(t.Context(), key, keys.Head{}, next); !errors.Is(err, ErrReadOnly) {
		t.Fatalf("in a read-only store: %v", err)
	}
}

func TestReserveAtOnce(t *testing.T) {
	dir := t.TempDir()
	const signers = 8
	var wait sync.WaitGroup
	granted := make(chan byte, signers)
	for i := range byte(signers) {
		s := openTest(t, dir, Options{})
		wait.Go(func() {
			err := s.Reserve(context.WithoutCancel(t.Context()), keys.Key{1}, keys.Head{}, grantHead(0, 1, i+1))
			switch {
			case err == nil:
				granted <- i + 1
			case !errors.Is(err, ErrConflict):
				t.Error(err)
			}
		})
	}
	wait.Wait()
	close(granted)
	if len(granted) != 1 {
		t.Fatalf("%d signers were granted one length", len(granted))
	}
	winner := <-granted
	if got, err := openTest(t, dir, Options{}).granted(keys.Key{1}); err != nil || got != grantHead(0, 1, winner) {
		t.Fatalf("granted to %d, on the disk is %+v, %v", winner, got, err)
	}
}
