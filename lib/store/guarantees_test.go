package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/derived"
)

// size returns the total size of a store's files in bytes.
func size(t testing.TB, dir string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		total += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// TestDedup stores the same bytes under a second key: that costs their hashes, whether they came in an earlier
// transaction or in the same.
func TestDedup(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	blocks := randomBlocks(rand.New(rand.NewPCG(1, 1)), 200, 20000)
	first, second := newModel(1), newModel(2)
	if err := first.append(t.Context(), s, TxOptions{Durable: true}, blocks...); err != nil {
		t.Fatal(err)
	}
	before := size(t, dir)
	if err := second.append(t.Context(), s, TxOptions{Durable: true}, append(blocks, blocks...)...); err != nil {
		t.Fatal(err)
	}
	if grown, limit := size(t, dir)-before, int64(2*len(blocks)*40+4096); grown > limit {
		t.Fatalf("the second core cost %d bytes, over %d", grown, limit)
	}
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	first.check(t, first.view(t, s))
	second.check(t, second.view(t, s))
}

// TestShortLines checks what lines cost: what zstd makes of them, and nothing per line.
func TestShortLines(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{tuning: tuning{never: true}})
	before := size(t, dir)
	var lines [][]byte
	for i := range 100000 {
		lines = append(lines, fmt.Appendf(nil, "%d\n", i%10))
	}
	m := newModel(1)
	if err := m.append(t.Context(), s, TxOptions{Durable: true, Short: true}, lines...); err != nil {
		t.Fatal(err)
	}
	if grown := size(t, dir) - before; grown > 10000 {
		t.Fatalf("100000 lines of 2 bytes cost %d bytes", grown)
	}
	v := m.view(t, s)
	for _, b := range []uint64{0, 1, 65535, 65536, 99999} {
		if data, err := v.Block(t.Context(), b); err != nil || !bytes.Equal(data, lines[b]) {
			t.Fatalf("Block(%d) = %q, %v", b, data, err)
		}
	}
}

// TestDurableView checks that a durable view only has what is synced.
func TestDurableView(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	m := newModel(1)
	if err := m.append(t.Context(), s, TxOptions{}, blocksOf("a")...); err != nil {
		t.Fatal(err)
	}
	if _, err := s.View(t.Context(), m.key, true); !errors.Is(err, ErrNotFound) {
		t.Fatalf("a durable view of what is not synced: %v", err)
	}
	if err := newModel(2).append(t.Context(), s, TxOptions{Durable: true}); err != nil {
		t.Fatal(err)
	}
	durable := m.clone()
	if err := m.append(t.Context(), s, TxOptions{}, blocksOf("b", "c")...); err != nil {
		t.Fatal(err)
	}
	v, err := s.View(t.Context(), m.key, true)
	if err != nil {
		t.Fatal(err)
	}
	durable.check(t, v)
	m.check(t, m.view(t, s))
}

func TestSeen(t *testing.T) {
	for _, tune := range []tuning{{}, tiny} {
		s := openTest(t, t.TempDir(), Options{tuning: tune})
		m := newModel(1)
		if err := m.append(t.Context(), s, TxOptions{Durable: true}, blocksOf("a")...); err != nil {
			t.Fatal(err)
		}
		other := Head{Length: 9, ByteLength: 90, TreeHash: hash.Leaf([]byte("other")), Signature: []byte("by another")}
		for range 2 {
			tx, err := s.Begin(t.Context(), m.key, TxOptions{Durable: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := tx.Seen(t.Context(), other); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if err := s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		m.check(t, m.view(t, s))
		seen, err := s.SeenHeads(t.Context(), m.key)
		if err != nil || len(seen) != 1 || !derived.SameHead(seen[0], other) || string(seen[0].Signature) != "by another" {
			t.Fatalf("SeenHeads = %+v, %v", seen, err)
		}
		m.head.Fork = 1 // a higher fork settles it
		if err := m.append(t.Context(), s, TxOptions{Durable: true}, blocksOf("b")...); err != nil {
			t.Fatal(err)
		}
		if seen, err := s.SeenHeads(t.Context(), m.key); err != nil || len(seen) != 0 {
			t.Fatalf("SeenHeads = %+v, %v", seen, err)
		}
	}
}

// TestSettle checks that a settled head is not a conflict any more, and that others still are.
func TestSettle(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	m := newModel(1)
	if err := m.append(t.Context(), s, TxOptions{Durable: true}, blocksOf("a")...); err != nil {
		t.Fatal(err)
	}
	one := Head{Length: 9, TreeHash: hash.Leaf([]byte("one")), Signature: []byte("1")}
	two := Head{Length: 9, TreeHash: hash.Leaf([]byte("two")), Signature: []byte("2")}
	commit := func(do ...func(tx *Tx) error) {
		t.Helper()
		tx, err := s.Begin(t.Context(), m.key, TxOptions{Durable: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, do := range do {
			if err := do(tx); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	commit(func(tx *Tx) error { return tx.Seen(t.Context(), one) }, func(tx *Tx) error { return tx.Seen(t.Context(), two) })
	commit(func(tx *Tx) error { return tx.Settle(t.Context(), one) })
	if seen, err := s.SeenHeads(t.Context(), m.key); err != nil || len(seen) != 1 || !derived.SameHead(seen[0], two) {
		t.Errorf("SeenHeads = %+v, %v, want the other one", seen, err)
	}
	m.check(t, m.view(t, s))
}

// TestTruncateAndReplace cuts a log back and puts nodes of the new history in its place, among them one that the old
// history had, too: that must not count as known.
func TestTruncateAndReplace(t *testing.T) {
	for _, tune := range []tuning{{never: true}, tiny} {
		dir := t.TempDir()
		s := openTest(t, dir, Options{tuning: tune})
		m := newModel(1)
		if err := m.append(t.Context(), s, TxOptions{Durable: true}, blocksOf("a", "b", "c", "d", "e", "f", "g", "h")...); err != nil {
			t.Fatal(err)
		}
		if err := s.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		tx, err := s.Begin(t.Context(), m.key, TxOptions{Durable: true})
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Abort()
		if err := tx.Truncate(t.Context(), 1, 9); err == nil {
			t.Error("cut back to more than there is")
		}
		tx.Abort()
		if tx, err = s.Begin(t.Context(), m.key, TxOptions{Durable: true}); err != nil {
			t.Fatal(err)
		}
		defer tx.Abort()
		if err := tx.Truncate(t.Context(), 1, 3); err != nil {
			t.Fatal(err)
		}
		m.cut(3)
		m.grow(false, blocksOf("D", "e", "f", "g", "h")...)
		if err := tx.Nodes(t.Context(), []merkle.Node{m.nodes[6], m.nodes[9], m.nodes[13]}); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(t.Context(), func() (Head, error) { return m.sign(1), nil }); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			m.check(t, m.view(t, s))
			if err := s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s, err = Open(t.Context(), dir, Options{tuning: tune}); err != nil {
				t.Fatal(err)
			}
			defer s.Close()
		}
		if _, err := m.view(t, s).Node(t.Context(), 13); err != nil {
			t.Error(err)
		}
	}
}

// TestTruncateRefuses checks that no fork can come twice.
func TestTruncateRefuses(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	m := newModel(1)
	if err := m.append(t.Context(), s, TxOptions{Durable: true}, blocksOf("a", "b")...); err != nil {
		t.Fatal(err)
	}
	for name, cut := range map[string]func(tx *Tx) error{
		"its own fork": func(tx *Tx) error { return tx.Truncate(t.Context(), 0, 1) },
		"behind an append": func(tx *Tx) error {
			if err := tx.Append(t.Context(), hash.Leaf([]byte("c")), []byte("c")); err != nil {
				t.Fatal(err)
			}
			return tx.Truncate(t.Context(), 1, 1)
		},
		"twice": func(tx *Tx) error {
			if err := tx.Truncate(t.Context(), 1, 1); err != nil {
				t.Fatal(err)
			}
			return tx.Truncate(t.Context(), 1, 0)
		},
	} {
		tx, err := s.Begin(t.Context(), m.key, TxOptions{Durable: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := cut(tx); err == nil {
			t.Errorf("%s: cut back", name)
		}
		tx.Abort()
	}
	m.check(t, m.view(t, s))
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	m := newModel(1)
	tx, err := s.Begin(t.Context(), m.key, TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	other := openTest(t, dir, Options{LockWait: -1})
	_, err = other.Begin(t.Context(), m.key, TxOptions{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Fatalf("a second writer: %v", err)
	}
	if err := newModel(2).append(t.Context(), other, TxOptions{Durable: true}, blocksOf("x")...); err != nil {
		t.Fatalf("a writer of another core: %v", err)
	}
	tx.Abort()
	tx.Abort()
	if err := tx.Append(t.Context(), hash.Digest{}, nil); err == nil {
		t.Fatal("an aborted transaction goes on")
	}
	if err := m.append(t.Context(), other, TxOptions{Durable: true}, blocksOf("x")...); err != nil {
		t.Fatal(err)
	}
}

// TestCommitFails checks that an error of the signing function leaves nothing.
func TestCommitFails(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	m := newModel(1)
	tx, err := s.Begin(t.Context(), m.key, TxOptions{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Append(t.Context(), hash.Leaf([]byte("a")), []byte("a")); err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	if err := tx.Commit(t.Context(), func() (Head, error) { return Head{}, no }); !errors.Is(err, no) {
		t.Fatalf("Commit = %v", err)
	}
	if _, err := s.View(t.Context(), m.key, false); !errors.Is(err, ErrNotFound) {
		t.Fatalf("View = %v", err)
	}
	if ok, err := s.Has(t.Context(), hash.Leaf([]byte("a"))); ok || err != nil {
		t.Fatalf("Has of what was not committed = %v, %v", ok, err)
	}
}

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	moved, err := openTest(t, dir, Options{ReadOnly: true}).Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	reader := openTest(t, dir, Options{ReadOnly: true})
	m := newModel(1)
	if err := m.append(t.Context(), s, TxOptions{Durable: true}, blocksOf("a")...); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(time.Minute)
	for {
		select {
		case <-moved:
		case <-deadline:
			t.Fatal("no signal")
		}
		if v, err := reader.View(t.Context(), m.key, true); err == nil && v.Head().Length == 1 {
			break
		}
	}
	cancel()
	for range moved {
	}
}
