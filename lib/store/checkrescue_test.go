package store

import (
	"fmt"
	"path/filepath"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
	"hc/lib/store/records"
)

// proves returns an error for blocks that a log of the world holds but cannot prove.
func (w *checkWorld) proves(t testing.TB, l *signed) error {
	t.Helper()
	s := w.open(t, Options{ReadOnly: true})
	defer s.Close()
	v, err := s.View(t.Context(), l.key(), false)
	if err != nil {
		return err
	}
	if roots, err := v.Roots(t.Context()); err != nil || merkle.TreeHash(roots) != v.Head().TreeHash {
		return fmt.Errorf("the roots of %d blocks: %v, %w", v.Head().Length, roots, err)
	}
	for block := uint64(0); ; block++ {
		first, _, ok, err := v.Have(t.Context(), block)
		if err != nil || !ok {
			return err
		}
		block = first
		head := merkle.HeadInfo{Length: v.Head().Length, Fork: v.Head().Fork, Signature: v.Head().Signature}
		if _, err := merkle.Prove(t.Context(), merkle.Request{Fork: head.Fork, Block: &merkle.BlockRequest{Index: block}}, head, v); err != nil {
			return fmt.Errorf("block %d: %w", block, err)
		}
	}
}

// TestRepairTree damages the nodes that tie blocks to the head, and what is left of a log whose blocks were cleared:
// derived files still know these, and a peer may have the same holes.
func TestRepairTree(t *testing.T) {
	for name, damage := range map[string]func(w *checkWorld, key keys.Key){
		"nodes": func(w *checkWorld, key keys.Key) {
			w.damageRecord(t, false, func(e *records.Entry) bool { return e.Kind == packlog.KindNodes && e.Key == key })
		},
		"cut": func(w *checkWorld, key keys.Key) {
			at := w.damageRecord(t, false, func(e *records.Entry) bool { return e.Key == key && e.Kind != packlog.KindClear })
			s := w.open(t, Options{ReadOnly: true})
			path := filepath.Join("/store", s.log.FileOf(at))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			w.machine.Edit(path, func(b []byte) []byte { return b[:at.Offset] })
		},
	} {
		for _, cleared := range []uint64{0, 3, 13} {
			t.Run(fmt.Sprintf("%s, %d cleared", name, cleared), func(t *testing.T) {
				w := newCheckWorld(t)
				l := w.logs[2]
				s := w.open(t, Options{})
				if err := s.Clear(t.Context(), l.key(), 0, cleared); err != nil {
					t.Fatal(err)
				}
				for b := range cleared {
					delete(w.held[2], b)
				}
				if _, err := s.GC(t.Context(), GCOptions{All: true}); err != nil {
					t.Fatal(err)
				}
				w.logs[0].append(t, s, false, []byte("behind it"))
				if err := s.Checkpoint(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if err := w.proves(t, l); err != nil {
					t.Fatal(err)
				}
				damage(w, l.key())
				w.repair(t)
				if err := w.proves(t, l); err != nil {
					t.Error(err)
				}
				for _, f := range must(w.check(t)) {
					if f.Core == l.key() && f.Harm != HarmNone {
						t.Errorf("left: %+v", f)
					}
				}
			})
		}
	}
}

// TestRescueTies has a forged derived file with a block that nothing ties to the signed head. That block does not get
// into the log; a block that is tied to the head does.
func TestRescueTies(t *testing.T) {
	l := newSigned(t, 1)
	ctx := t.Context()
	open := func() *Store {
		s, err := Open(ctx, "/store", Options{Create: true, fs: memfs.New(1).Process(), tuning: checkTuning})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	view := func(s *Store) *View {
		v, err := s.View(ctx, l.key(), false)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	writer := open()
	l.append(t, writer, false, blocksOf("a", "b", "c", "d", "e", "f", "g", "h")...)
	whole := view(writer)
	keep := func(s *Store, blocks map[uint64]string, nodes ...uint64) {
		t.Helper()
		tx, err := s.Begin(ctx, l.key(), TxOptions{Manifest: l.auth.Manifest(), Durable: true})
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Abort()
		for block, data := range blocks {
			if err := tx.Put(ctx, block, hash.Leaf([]byte(data)), []byte(data)); err != nil {
				t.Fatal(err)
			}
		}
		for _, index := range nodes {
			n, err := whole.Node(ctx, index)
			if err == nil {
				err = tx.Nodes(ctx, []merkle.Node{n})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(ctx, func() (Head, error) { return whole.Head(), nil }); err != nil {
			t.Fatal(err)
		}
		if err := s.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
	}
	const root = 7
	log, derived := open(), open()
	keep(log, nil, root)
	keep(derived, map[uint64]string{2: "forged", 5: "f"}, root, 8, 13, 3) // the siblings of block 5, up to the root
	r := rescue{checker: &Checker{store: log}, ctx: ctx, old: view(derived)}
	if err := r.run(); err != nil {
		t.Fatal(err)
	}
	v := view(log)
	if has, err := v.Has(ctx, 2); has || err != nil {
		t.Errorf("the log has the block that was made up: %v, %v", has, err)
	}
	if n, err := v.Node(ctx, 4); err == nil {
		t.Errorf("the log has its leaf %v", n)
	}
	if data, err := v.Block(ctx, 5); err != nil || string(data) != "f" {
		t.Errorf("block 5: %q, %v", data, err)
	}
}
