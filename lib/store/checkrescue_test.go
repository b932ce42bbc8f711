package store

import (
	"fmt"
	"path/filepath"
	"testing"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
)

// proves reports what cannot be proved of the blocks that a log of the world holds.
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

// TestRepairTree damages what ties blocks to the head, and what is left of a log whose blocks were cleared: derived files
// still know it, and a peer may have the same holes.
func TestRepairTree(t *testing.T) {
	for name, damage := range map[string]func(w *checkWorld, key keys.Key){
		"nodes": func(w *checkWorld, key keys.Key) {
			w.damageRecord(t, false, func(e *entry) bool { return e.kind == packlog.KindNodes && e.key == key })
		},
		"cut": func(w *checkWorld, key keys.Key) {
			at := w.damageRecord(t, false, func(e *entry) bool { return e.key == key && e.kind != packlog.KindClear })
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
