package store

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"hc/lib/store/packlog"
)

// TestCheckDoubtsAsWritersDo flips a bit in the header of each record. If a writer then refuses to sign, since any
// record may have been there, the check must report doubts about the end of the logs that are signed here, whatever the
// record still seems to be.
func TestCheckDoubtsAsWritersDo(t *testing.T) {
	clean := newCheckWorld(t)
	var offsets []packlog.Position
	var files []string
	s := clean.open(t, Options{ReadOnly: true})
	view, err := s.log.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = s.log.Scan(t.Context(), view, packlog.Position{}, false, func(r packlog.Record) error {
		offsets, files = append(offsets, r.Position), append(files, filepath.Join("/store", s.log.FileOf(r.Position)))
		return nil
	})
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i, at := range offsets {
		w := newCheckWorld(t)
		w.flip(t, sameFile(t, w, clean, files[i]), int(at.Offset)+20, 3)
		if err := w.machine.Process().Remove("/store/applied"); err != nil { // so that a writer reads all of the log
			t.Fatal(err)
		}
		s := w.open(t, Options{ReadOnly: true})
		if _, err := s.View(t.Context(), w.logs[0].key(), false); err != nil && !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		doubt := s.MayLackHeads()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if doubt == nil {
			continue
		}
		refused++
		found, c := w.check(t)
		for _, l := range w.logs[:2] {
			beyond := false
			for _, hurt := range c.CoresHurt() {
				beyond = beyond || hurt.Key == l.key() && slices.ContainsFunc(hurt.Parts, func(p BlockRange) bool { return p.Beyond })
			}
			if !beyond {
				t.Errorf("record at %v: core %v is not asked for, found %+v", at, l.key(), found)
			}
		}
	}
	if refused < 30 {
		t.Errorf("only %d of %d records were damaged so that a writer refuses", refused, len(offsets))
	}
}
