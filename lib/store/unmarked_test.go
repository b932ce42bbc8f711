package store

import (
	"errors"
	"testing"
)

// TestUnmarked reads a store whose mark is gone: everything is there. Only a reader that wants what is known to be
// synced gets an error, and no older head. A writer mends the mark before it reads.
func TestUnmarked(t *testing.T) {
	w := newCheckWorld(t)
	if err := w.machine.Process().Remove("/store/mark"); err != nil {
		t.Fatal(err)
	}
	if blocks, heads := w.lacks(t); blocks+heads > 0 {
		t.Errorf("%d blocks and %d heads are not read", blocks, heads)
	}
	durable := func(options Options) (damaged int) {
		t.Helper()
		options.fs = w.machine.Process()
		s, err := Open(t.Context(), "/store", options)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, l := range w.logs {
			v, err := s.View(t.Context(), l.key(), true)
			switch {
			case errors.Is(err, ErrDamaged):
				damaged++
			case err != nil:
				t.Error(err)
			case v.Head().Length != uint64(len(l.blocks)):
				t.Errorf("a head of %d blocks of %d", v.Head().Length, len(l.blocks))
			}
		}
		return damaged
	}
	if durable(Options{ReadOnly: true}) == 0 {
		t.Error("the last commit is known to be synced")
	}
	if n := durable(Options{}); n > 0 {
		t.Errorf("%d heads are not read behind a mending", n)
	}
	if found, _ := w.check(t); len(found) > 0 {
		t.Errorf("found: %+v", found)
	}
}
