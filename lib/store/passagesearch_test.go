package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"hc/lib/hash"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/passages"
	"hc/lib/store/records"
)

// cancelled returns a context in which no search of the log gets far.
func cancelled(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// TestPassageSearchTogether looks for the passages of many spans, none of which the index finds: one search of the log
// finds all.
func TestPassageSearchTogether(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, t.TempDir(), Options{packSize: 4 << 10, tuning: tuning{never: true}})
	first, second := newModel(1), newModel(2)
	blocks := distinct(rand.New(rand.NewPCG(8, 27)), 40, 200)
	if err := first.append(ctx, s, TxOptions{Durable: true}, blocks...); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(blocks); i += 4 {
		if err := second.append(ctx, s, TxOptions{Durable: true}, blocks[i:i+4]...); err != nil {
			t.Fatal(err)
		}
	}
	view, err := s.log.View(ctx)
	if err != nil {
		t.Fatal(err)
	}
	search, spans := passages.NewSearch(s.log, view), 0
	nowhere := records.NewPassage([]hash.Digest{hash.Leaf([]byte("a")), hash.Leaf([]byte("b"))})
	err = s.log.Scan(ctx, view, packlog.Position{}, false, func(r packlog.Record) error {
		e, err := records.Decode(r)
		if err != nil || e.Span == nil || !e.Span.HasPassages() {
			return err
		}
		spans++
		inTime := cancelled(t)
		if spans == 1 { // including one that is nowhere
			inTime = ctx
			e.Span.Parts = append(e.Span.Parts, records.Part{First: 1 << 20, Count: 2, Passage: &nowhere})
		}
		places, err := search.Locate(inTime, e, func(*records.Passage) (place, bool, error) { return place{}, false, nil })
		if len(places) != 1 || places[e.Span.First] == (place{}) {
			t.Errorf("span %d is found at %v", spans, places)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if spans != 10 {
		t.Fatalf("%d spans with passages", spans)
	}
}

// TestPassageLostOnce reads blocks of a passage whose run is lost: the log is searched for it once, not for each of
// them.
func TestPassageLostOnce(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	s := openTest(t, dir, Options{tuning: tuning{never: true}})
	first, second, third := newModel(1), newModel(2), newModel(3)
	blocks := distinct(rand.New(rand.NewPCG(9, 28)), 12, 300)
	beside := writing{t, openTest(t, dir, s.options)}
	early := beside.begin(third)
	if err := first.append(ctx, s, TxOptions{Durable: true}, blocks...); err != nil {
		t.Fatal(err)
	}
	run := firstRun(t, s)
	if err := second.append(ctx, s, TxOptions{Durable: true}, blocks...); err != nil {
		t.Fatal(err)
	}
	flipByte(t, filepath.Join(dir, s.log.FileOf(run.Position)), int64(run.Position.Offset+packlog.RecordSize(&run)/16))
	again := openTest(t, dir, Options{ReadOnly: true, tuning: tuning{never: true}})
	v := second.view(t, again)
	if _, err := v.Block(ctx, 0); !errors.Is(err, ErrBlockMissing) {
		t.Fatalf("block 0: %v", err)
	}
	for i := range blocks {
		if _, err := v.Block(cancelled(t), uint64(i)); !errors.Is(err, ErrBlockMissing) {
			t.Errorf("block %d, of which it is known that it is lost: %v", i, err)
		}
	}
	// The run comes back, in an append that had begun before the first one.
	beside.add(early, blocks)
	beside.commit(early, third, blocks)
	if err := readBlocks(second.view(t, again), blocks); err != nil {
		t.Error(err)
	}
}

func readBlocks(v *View, blocks [][]byte) error {
	for i, want := range blocks {
		got, err := v.Block(context.Background(), uint64(i))
		if err == nil && !bytes.Equal(got, want) {
			err = fmt.Errorf("block %d has wrong bytes", i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// TestPassageBeforeItsRun has a repack join appends, which moves their runs to after a span of another core that refers
// to them: derived files that are built again from the log have all blocks.
func TestPassageBeforeItsRun(t *testing.T) {
	ctx := t.Context()
	r := rand.New(rand.NewPCG(3, 22))
	dir := t.TempDir()
	s := openTest(t, dir, Options{packSize: 64 << 10})
	first, second := newModel(1), newModel(2)
	blocks := distinct(r, 24, 200)
	for i := 0; i < len(blocks); i += 4 {
		if err := first.append(ctx, s, TxOptions{Durable: true}, blocks[i:i+4]...); err != nil {
			t.Fatal(err)
		}
	}
	if err := second.append(ctx, s, TxOptions{Durable: true}, blocks...); err != nil {
		t.Fatal(err)
	}
	if err := first.append(ctx, s, TxOptions{Durable: true}, distinct(r, 4, 100)...); err != nil {
		t.Fatal(err)
	}
	if err := first.append(ctx, s, TxOptions{Durable: true}, distinct(r, 300, 1000)...); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Repack(ctx, RepackOptions{}); err != nil {
		t.Fatal(err)
	}
	span, run := lastBeforeRun(t, s, second)
	if !span.Less(run) {
		t.Fatalf("the span at %v does not stand before the run at %v", span, run)
	}
	for _, name := range []string{derived.AppliedName, "index", "cores"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	again := openTest(t, dir, Options{packSize: 64 << 10})
	sound(t, again, first, second)
	clean(t, again)
	if err := first.view(t, again).store.Drop(ctx, first.key); err != nil {
		t.Fatal(err)
	}
	mustGC(t, again, GCOptions{All: true})
	sound(t, again, second)
}

// lastBeforeRun returns where the span with a core's passages is, and the last run but one of the log.
func lastBeforeRun(t *testing.T, s *Store, m *modelCore) (span, run packlog.Position) {
	t.Helper()
	view, err := s.log.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var runs []packlog.Position
	err = s.log.Scan(t.Context(), view, packlog.Position{}, false, func(r packlog.Record) error {
		e, err := records.Decode(r)
		switch {
		case err != nil:
			return err
		case e.Span != nil && e.Span.Key == m.key:
			span = r.Position
		case e.Run != nil:
			runs = append(runs, r.Position)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return span, runs[len(runs)-2]
}
