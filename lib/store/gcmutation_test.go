package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"hc/lib/hash"
	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
)

// gcWorld is a gc beside a writer whose steps come between any two calls of the gc; then the power may fail.
type gcWorld struct {
	*crashRun
	r       *rand.Rand
	writer  *Store
	tx      *Tx
	core    int
	pool    [][]byte // blocks of a core that was dropped
	blocks  [][]byte
	inside  bool
	commits int
}

// step lets the writer begin an append and look up its blocks, or commit it.
func (w *gcWorld) step(ctx context.Context) error {
	if w.tx != nil {
		tx := w.tx
		w.tx = nil
		defer tx.Abort()
		err := w.change(w.core, true, func(m *modelCore) error {
			return tx.Commit(ctx, func() (Head, error) {
				m.grow(true, w.blocks...)
				return m.sign(m.head.Fork), nil
			})
		})
		if err == nil {
			w.commits++
		}
		return err
	}
	w.core, w.blocks = 1+w.r.IntN(2), nil
	tx, err := w.writer.Begin(ctx, w.states[w.core][0].key, TxOptions{Durable: true})
	if err != nil {
		return err
	}
	for range 1 + w.r.IntN(2) {
		w.blocks = append(w.blocks, w.pool[w.r.IntN(len(w.pool))])
	}
	if w.r.IntN(3) == 0 { // two of them: neighbours in a run
		i := w.r.IntN(len(w.pool)/2) * 2
		w.blocks = slices.Clone(w.pool[i : i+2])
	}
	for _, b := range w.blocks {
		if err := tx.Append(ctx, hash.Leaf(b), b); err != nil {
			tx.Abort()
			return err
		}
	}
	w.tx = tx
	return nil
}

// unsynced is a file system on which rewritten packs are not synced before they get their names.
type unsynced struct{ packlog.FS }

type unsyncedFile struct{ packlog.File }

func (unsyncedFile) Sync() error { return nil }

func (u unsynced) OpenFile(name string, flag int, perm fs.FileMode) (packlog.File, error) {
	f, err := u.FS.OpenFile(name, flag, perm)
	if err == nil && strings.HasSuffix(path.Base(name), ".gc.tmp") {
		f = unsyncedFile{f}
	}
	return f, err
}

// gcHistory returns how many commits came in the middle of gcs, and what was lost.
func gcHistory(t *testing.T, seed uint64, mutation string) (commits int, lost error) {
	ctx := t.Context()
	c := newCrashRun(t, seed, true, nil)
	w := &gcWorld{crashRun: c, r: rand.New(rand.NewPCG(seed, 3))}
	open := func(mutated bool) *Store {
		options := Options{Create: true, fs: c.machine.Process(), tuning: c.tuning, packSize: 2 << 10, LockWait: -1}
		if mutated {
			options.tuning.leaveOut = mutation
			if mutation == "rename-before-sync" {
				options.fs = unsynced{options.fs}
			}
		}
		s, err := Open(ctx, "/store", options)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	w.writer = open(false)
	gc := open(true)
	for round := range 3 {
		w.pool = nil
		for range 6 {
			blocks := randomBlocks(w.r, 2, 400)
			w.pool = append(w.pool, blocks...)
			if err := c.appendTo(ctx, w.writer, 0, TxOptions{Durable: true}, blocks); err != nil {
				return w.commits, err
			}
		}
		err := c.change(0, true, func(m *modelCore) error {
			*m = *newModel(0)
			return w.writer.Drop(ctx, m.key)
		})
		if err != nil {
			return w.commits, err
		}
		crash := 0
		if round == 2 {
			crash = c.machine.Calls() + w.r.IntN(120)
		}
		c.machine.Fault = func(call memfs.Call) memfs.Outcome {
			if w.inside {
				return memfs.Outcome{}
			}
			if call.N > 0 && call.N == crash {
				return memfs.Outcome{Crash: true}
			}
			if w.r.IntN(60) == 0 {
				w.inside = true
				_ = w.step(ctx) // it may be locked out, or overtaken
				w.inside = false
			}
			return memfs.Outcome{}
		}
		if w.r.IntN(3) == 0 {
			_, err = gc.Repack(ctx, RepackOptions{})
		} else {
			_, err = gc.GC(ctx, GCOptions{All: w.r.IntN(2) == 0})
		}
		c.machine.Fault = nil
		if err != nil && !errors.Is(err, ErrLocked) && !errors.Is(err, ErrConflict) && !errors.Is(err, memfs.ErrKilled) {
			return w.commits, fmt.Errorf("gc: %w", err)
		}
		if w.tx != nil {
			_ = w.step(ctx) // it may be killed
		}
	}
	if w.r.IntN(2) == 0 {
		c.machine.PowerLoss()
	}
	return w.commits, c.verify(ctx)
}

// TestGCBeside runs such histories.
func TestGCBeside(t *testing.T) {
	seeds, commits := uint64(60), 0
	if testing.Short() {
		seeds = 15
	}
	for seed := range seeds {
		n, err := gcHistory(t, seed, "")
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		commits += n
	}
	if commits < int(seeds) {
		t.Fatalf("only %d commits came in the middle of a gc", commits)
	}
}

// TestGCMutations shows that the histories can fail: each step that a gc leaves out loses something in one of them.
func TestGCMutations(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine, and the run that is not short does it")
	}
	for _, mutation := range []string{withoutUse, withoutRereading, withoutPassages, "rename-before-sync"} {
		t.Run(mutation, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(1500) {
				if _, err := gcHistory(t, seed, mutation); err != nil {
					t.Logf("history %d: %v", seed, err)
					return
				}
			}
			t.Error("not caught")
		})
	}
}

// TestGCKeepsDrops has a dropped core of which something stays in a pack that is not worth rewriting: the drop must
// stay, too, in a pack that is.
func TestGCKeepsDrops(t *testing.T) {
	for _, mutation := range []string{"", withoutKilling} {
		dir := t.TempDir()
		s := openTest(t, dir, Options{packSize: 40 << 10, tuning: tuning{leaveOut: mutation}})
		r := rand.New(rand.NewPCG(4, 4))
		gone, stays, junk := newModel(1), newModel(2), newModel(3)
		for _, step := range []struct {
			core *modelCore
			size int
		}{{gone, 100}, {stays, 9000}, {stays, 9000}, {stays, 9000}, {stays, 9000}, {junk, 9000}, {junk, 9000}} {
			data := make([]byte, step.size)
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			if err := step.core.append(t.Context(), s, TxOptions{Durable: true}, data); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range []*modelCore{gone, junk} {
			if err := s.Drop(t.Context(), m.key); err != nil {
				t.Fatal(err)
			}
		}
		if report := mustGC(t, s, GCOptions{}); report.Rewritten == 0 || report.Rewritten == report.Packs {
			t.Fatalf("all packs were rewritten, or none: %+v", report)
		}
		bare := openTest(t, dir, Options{ReadOnly: true})
		bare.distrust = true
		_, err := bare.View(t.Context(), gone.key, false)
		if came := err == nil; came != (mutation != "") {
			t.Errorf("with %q left out the core is there again: %v", mutation, came)
		}
		sound(t, s, stays)
	}
}
