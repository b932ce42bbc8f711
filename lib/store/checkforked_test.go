package store

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"hc/lib/merkle"
	"hc/lib/store/packlog/memfs"
)

// A derived file that knows another history than the log's, signed by the same key, adds nothing to the log: neither
// blocks, nor nodes, nor its head.
func TestRescueOfAnotherHistory(t *testing.T) {
	common := blocksOf("a", "b")
	for name, c := range map[string]struct{ now, old []string }{
		"longer":  {[]string{"c"}, []string{"x", "y", "z"}},
		"shorter": {[]string{"c", "d", "e"}, []string{"x"}},
		"as long": {[]string{"c", "d"}, []string{"c", "y"}},
	} {
		t.Run(name, func(t *testing.T) {
			open := func(blocks ...string) (*Store, *signed) {
				l := newSigned(t, 1)
				s, err := Open(t.Context(), "/store", Options{Create: true, fs: memfs.New(1).Process(), tuning: checkTuning})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = s.Close() })
				l.append(t, s, false, append(common[:2:2], blocksOf(blocks...)...)...)
				if err := s.Checkpoint(t.Context()); err != nil {
					t.Fatal(err)
				}
				return s, l
			}
			s, l := open(c.now...)
			other, _ := open(c.old...)
			view := func(s *Store) *View {
				v, err := s.View(t.Context(), l.key(), false)
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			before := view(s).Head()
			r := rescue{checker: &Checker{store: s}, ctx: t.Context(), old: view(other)}
			if err := r.run(); err != nil {
				t.Fatal(err)
			}
			v := view(s)
			if head := v.Head(); head.Length != before.Length || head.TreeHash != before.TreeHash {
				t.Errorf("the head is that of %d blocks now, not of %d", head.Length, before.Length)
			}
			if err := sameBlocksAs(t.Context(), v, l); err != nil {
				t.Error(err)
			}
		})
	}
}

// sameBlocksAs compares all blocks and the tree of a view with what was signed.
func sameBlocksAs(ctx context.Context, v *View, l *signed) (err error) {
	for i, want := range l.blocks {
		got, e := v.Block(ctx, uint64(i))
		if e != nil || string(got) != string(want) {
			err = errors.Join(err, fmt.Errorf("block %d is %q, want %q: %w", i, got, want, e))
		}
	}
	roots, e := v.Roots(ctx)
	if e != nil || merkle.TreeHash(roots) != v.Head().TreeHash {
		err = errors.Join(err, fmt.Errorf("the roots are not those of the head: %w", e))
	}
	return err
}

// A core that was dropped after the last checkpoint, and came back with another history, is only compared with its old
// state up to that checkpoint.
func TestCheckOfDroppedCore(t *testing.T) {
	machine := memfs.New(1)
	s, err := Open(t.Context(), "/store", Options{Create: true, fs: machine.Process(), tuning: tuning{never: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := newModel(1)
	mustAppend(t, m, s, blocksOf("a", "b", "c")...)
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(t.Context(), m.key); err != nil {
		t.Fatal(err)
	}
	m = newModel(1)
	mustAppend(t, m, s, blocksOf("others", "than", "before", "came")...)
	asDerived(t, machine)
	m.check(t, m.view(t, s))
}
