package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"hc/lib/hash"
	"hc/lib/store/packlog/memfs"
)

// tryAppend is signed.append for a disk that fails.
func (l *signed) tryAppend(t *testing.T, s *Store, short bool, blocks ...[]byte) error {
	ctx := t.Context()
	tx, err := s.Begin(ctx, l.key(), TxOptions{Manifest: l.auth.Manifest(), Durable: true, Short: short})
	if err != nil {
		return err
	}
	defer tx.Abort()
	for _, b := range blocks {
		if err := tx.Append(ctx, hash.Leaf(b), b); err != nil {
			return err
		}
	}
	return tx.Commit(ctx, func() (Head, error) { return l.grow(t, blocks...), nil })
}

// crashWork is the work that the crash interrupts.
func crashWork(t *testing.T, w *checkWorld, packSize uint64) error {
	ctx := t.Context()
	s, err := Open(ctx, "/store", Options{Create: true, fs: w.machine.Process(), tuning: checkTuning, packSize: packSize})
	if err != nil {
		return err
	}
	blocks, lines := newSigned(t, 1), newSigned(t, 2)
	r := rand.New(rand.NewPCG(4, 4))
	steps := []func() error{
		func() error { return s.PutSecret(ctx, blocks.key(), blocks.secret) },
		func() error { return s.SetName(ctx, "blocks", blocks.key()) },
		func() error { return blocks.tryAppend(t, s, false, randomBlocks(r, 6, 300)...) },
		func() error { return lines.tryAppend(t, s, true, lineBlocks(r, 30)...) },
		func() error { return s.Checkpoint(ctx) },
		func() error { return blocks.tryAppend(t, s, false, blocks.blocks[2], []byte("new")) },
		func() error { return s.Clear(ctx, blocks.key(), 0, 2) },
		func() error { return s.Checkpoint(ctx) },
		func() error { return lines.tryAppend(t, s, true, lineBlocks(r, 5)...) },
		func() error { _, err := s.GC(ctx, GCOptions{All: true}); return err },
		s.Close,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// TestCheckAfterCrash cuts the power, or kills the process, at every call of a workload. A check then finds that
// nothing is lost except the mark, which the next writer writes again; and after that writer it finds nothing at all.
func TestCheckAfterCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine, and the run that is not short does it")
	}
	for _, outcome := range []memfs.Outcome{{Crash: true}, {Kill: true}} {
		crashes := 0
		for n := 1; ; n++ {
			w := &checkWorld{machine: memfs.New(uint64(n))}
			w.machine.Fault = func(c memfs.Call) memfs.Outcome {
				if c.N == n {
					return outcome
				}
				return memfs.Outcome{}
			}
			err := crashWork(t, w, 2<<10)
			w.machine.Fault = nil
			if err == nil {
				break
			}
			crashes++
			w.checkCrashed(t, n)
			if t.Failed() {
				return
			}
		}
		if crashes < 60 {
			t.Fatalf("only %d crashes", crashes)
		}
	}
}

func (w *checkWorld) checkCrashed(t *testing.T, n int) {
	t.Helper()
	check := func() ([]Finding, error) {
		var found []Finding
		c, err := NewChecker(t.Context(), "/store", CheckOptions{
			Found: func(f Finding) { found = append(found, f) }, fs: w.machine.Process(), scratchFS: memfs.New(1).Process(), tuning: checkTuning,
		})
		if err != nil {
			return nil, err
		}
		return found, errors.Join(c.Run(context.WithoutCancel(t.Context())), c.Close())
	}
	found, err := check()
	if err != nil && !errors.Is(err, ErrNotStore) {
		t.Fatalf("call %d: %v", n, err)
	}
	for _, f := range found {
		if f.Harm != HarmNone && f.File != "mark" {
			t.Errorf("call %d: found %+v", n, f)
		}
	}
	s, err := Open(t.Context(), "/store", Options{Create: true, fs: w.machine.Process(), tuning: checkTuning})
	if err != nil {
		t.Fatalf("call %d: %v", n, err)
	}
	if err := newSigned(t, 7).tryAppend(t, s, false, []byte("behind the crash")); err != nil {
		t.Fatalf("call %d: %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if found, err = check(); err != nil || len(found) > 0 {
		t.Errorf("call %d: behind the next writer: %v, %+v", n, err, found)
	}
}
