package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
	"hc/lib/store/records"
)

// crashRun is a fixed workload on a machine that fails at one call.
type crashRun struct {
	t       *testing.T
	machine *memfs.Machine
	states  [3][]*modelCore // of each core, from before its first append on; the last may be in progress
	sure    [3]int          // the state that was acknowledged as durable
	named   bool            // the name and the secret key were acknowledged
	tuning  tuning
	script  func(context.Context, *crashRun, *Store) []func() error
}

func (c *crashRun) open(ctx context.Context) (*Store, error) {
	return Open(ctx, "/store", Options{Create: true, fs: c.machine.Process(), tuning: c.tuning, packSize: 2 << 10, LockWait: 5 * time.Second})
}

var crashKey = keys.Key{1, 2, 3}

// change makes a change to a core, which is acknowledged if it returns no error.
func (c *crashRun) change(core int, durable bool, do func(*modelCore) error) error {
	list := c.states[core]
	m := list[len(list)-1].clone()
	err := do(m)
	c.states[core] = append(list, m)
	if err == nil && durable {
		c.sure[core] = len(c.states[core]) - 1
	}
	return err
}

func blocksOf(words ...string) [][]byte {
	var blocks [][]byte
	for _, w := range words {
		blocks = append(blocks, []byte(w))
	}
	return blocks
}

func (c *crashRun) appendTo(ctx context.Context, s *Store, core int, options TxOptions, blocks [][]byte) error {
	return c.change(core, options.Durable, func(m *modelCore) error { return m.append(ctx, s, options, blocks...) })
}

// appends is a workload of appends, downloads and checkpoints.
func appends(ctx context.Context, c *crashRun, s *Store) []func() error {
	own := TxOptions{Durable: true}
	r := rand.New(rand.NewPCG(1, 1))
	return []func() error{
		func() error { return c.appendTo(ctx, s, 0, own, blocksOf("a", "b", "c")) },
		func() error { return c.appendTo(ctx, s, 1, TxOptions{Durable: true, Short: true}, lineBlocks(r, 7)) },
		func() error {
			return c.change(2, false, func(m *modelCore) error {
				m.grow(false, blocksOf("x", "a", "y", "z", "b")...)
				m.sign(0)
				return m.put(ctx, s, TxOptions{}, []uint64{3, 1})
			})
		},
		func() error { return c.appendTo(ctx, s, 0, own, blocksOf("b", "y", "q")) },
		func() error { return s.Checkpoint(ctx) },
		func() error {
			return c.change(2, true, func(m *modelCore) error { return m.put(ctx, s, TxOptions{Durable: true}, []uint64{0, 4}) })
		},
		func() error { return c.appendTo(ctx, s, 0, own, randomBlocks(r, 5, 700)) },
		func() error { return c.appendTo(ctx, s, 1, TxOptions{Durable: true, Short: true}, lineBlocks(r, 3)) },
		func() error { return s.Checkpoint(ctx) },
		func() error { return c.appendTo(ctx, s, 0, own, blocksOf("z")) },
	}
}

// collections is a workload in which much is forgotten and collected.
func collections(ctx context.Context, c *crashRun, s *Store) []func() error {
	own := TxOptions{Durable: true}
	r := rand.New(rand.NewPCG(2, 2))
	gc := func() error { _, err := s.GC(ctx, GCOptions{All: true}); return err }
	return []func() error{
		func() error { return c.appendTo(ctx, s, 0, own, blocksOf("a", "b", "c")) },
		func() error { return c.appendTo(ctx, s, 1, TxOptions{Durable: true, Short: true}, lineBlocks(r, 7)) },
		func() error {
			return c.change(2, false, func(m *modelCore) error {
				m.grow(false, blocksOf("x", "a", "y", "z", "b")...)
				m.sign(0)
				return m.put(ctx, s, TxOptions{}, []uint64{3, 1})
			})
		},
		func() error { return c.appendTo(ctx, s, 0, own, randomBlocks(r, 5, 900)) },
		func() error { return c.clear(ctx, s, 0, 2, 6) },
		gc,
		func() error {
			return c.change(2, true, func(m *modelCore) error { return m.put(ctx, s, TxOptions{Durable: true}, []uint64{0, 4}) })
		},
		func() error { return c.appendTo(ctx, s, 0, own, blocksOf("x", "c")) },
		func() error {
			return c.change(2, true, func(m *modelCore) error {
				err := s.Drop(ctx, m.key)
				*m = *newModel(2)
				return err
			})
		},
		func() error { return c.clear(ctx, s, 1, 0, 3) },
		gc,
		func() error { return c.appendTo(ctx, s, 0, own, blocksOf("z", "y")) },
		func() error { _, err := s.Repack(ctx, RepackOptions{Cold: true}); return err },
		func() error { return c.appendTo(ctx, s, 1, TxOptions{Durable: true, Short: true}, lineBlocks(r, 3)) },
	}
}

// versions is a workload with deltas, whose bases are forgotten.
func versions(ctx context.Context, c *crashRun, s *Store) []func() error {
	own := TxOptions{Durable: true}
	r := rand.New(rand.NewPCG(3, 3))
	old := [][]byte{randomBytes(r, 30), randomBytes(r, 1100), randomBytes(r, 40)}
	second := [][]byte{old[0], edited(r, old[1]), old[2]}
	third := [][]byte{old[0], edited(r, second[1]), old[2], []byte("more")}
	return []func() error{
		func() error { return c.appendTo(ctx, s, 0, own, old) },
		func() error { return c.appendTo(ctx, s, 0, own, second) },
		func() error { return s.Checkpoint(ctx) },
		func() error {
			return c.change(2, false, func(m *modelCore) error {
				m.grow(false, third...)
				m.sign(0)
				return m.put(ctx, s, TxOptions{}, []uint64{0, 2})
			})
		},
		func() error { return c.clear(ctx, s, 0, 0, 2) },
		func() error { _, err := s.GC(ctx, GCOptions{All: true}); return err },
		func() error { return c.appendTo(ctx, s, 0, own, third) },
		func() error { _, err := s.Repack(ctx, RepackOptions{}); return err },
	}
}

// copies is a workload in which runs of blocks are stored a second time, and the first is forgotten.
func copies(ctx context.Context, c *crashRun, s *Store) []func() error {
	own := TxOptions{Durable: true}
	r := rand.New(rand.NewPCG(4, 4))
	blocks := distinct(r, 9, 300)
	return []func() error{
		func() error { return c.appendTo(ctx, s, 0, own, blocks) },
		func() error { return c.appendTo(ctx, s, 2, own, inserted(r, blocks, 2)) },
		func() error { return c.clear(ctx, s, 0, 0, 9) },
		func() error { _, err := s.GC(ctx, GCOptions{All: true}); return err },
		func() error { return c.appendTo(ctx, s, 0, own, blocks[3:]) },
		func() error { return s.Checkpoint(ctx) },
		func() error { return c.clear(ctx, s, 2, 2, 6) },
		func() error { _, err := s.Repack(ctx, RepackOptions{}); return err },
	}
}

// TestPassageCrashAtEveryCall fails each call of a workload of copies.
func TestPassageCrashAtEveryCall(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	c := newCrashRun(t, 1, false, copies)
	passages := 0
	for _, step := range copies(t.Context(), c, s) {
		if err := step(); err != nil {
			t.Fatal(err)
		}
		n, _ := passagesOf(t, s)
		passages = max(passages, n)
	}
	if passages < 2 {
		t.Fatalf("the workload makes %d passages", passages)
	}
	crashAtEveryCall(t, copies)
}

// clear forgets blocks.
func (c *crashRun) clear(ctx context.Context, s *Store, core int, first, end uint64) error {
	return c.change(core, true, func(m *modelCore) error {
		v, err := s.View(ctx, m.key, false)
		if err != nil {
			return err
		}
		m.kept = m.proofs(ctx, v, first, end)
		for b := first; b < end; b++ {
			delete(m.held, b)
		}
		return s.Clear(ctx, m.key, first, end)
	})
}

// work runs the workload. It ends at the first error.
func (c *crashRun) work(ctx context.Context) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	if err := s.PutSecret(ctx, crashKey, keys.SecretFromSeed([32]byte{9})); err != nil {
		return err
	}
	if err := s.SetName(ctx, "table", crashKey); err != nil {
		return err
	}
	c.named = true
	steps := c.script(ctx, c, s)
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
		if err := s.CheckpointError(); err != nil {
			return err
		}
	}
	return s.Close()
}

// verify opens the store after the fault and compares it with what was acknowledged.
func (c *crashRun) verify(ctx context.Context) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := c.verifySecret(s); err != nil {
		return err
	}
	tx, err := s.Begin(ctx, crashKey, TxOptions{}) // recovers: until then less may be shown, never more
	if err != nil {
		return err
	}
	tx.Abort()
	for core := range c.states {
		m, err := c.verifyCore(ctx, s, core)
		if err != nil {
			return fmt.Errorf("core %d: %w", core, err)
		}
		c.states[core], c.sure[core] = []*modelCore{m}, 0
	}
	// The next append just works, and sees what is there.
	for core := range 2 {
		options := TxOptions{Durable: true, Short: core == 1}
		err := c.change(core, true, func(m *modelCore) error { return m.append(ctx, s, options, blocksOf("a\n", "more\n")...) })
		if err != nil {
			return fmt.Errorf("appending to core %d: %w", core, err)
		}
		if _, err := c.verifyCore(ctx, s, core); err != nil {
			return fmt.Errorf("core %d after one more append: %w", core, err)
		}
	}
	if err := s.Checkpoint(ctx); err != nil {
		return err
	}
	for core := range c.states {
		if _, err := c.verifyCore(ctx, s, core); err != nil {
			return fmt.Errorf("core %d after a checkpoint: %w", core, err)
		}
	}
	return errors.Join(c.verifyGC(ctx, s), errors.Join(s.Damage()...))
}

// verifyGC collects garbage, and checks that everything else is there, even with all derived files built again, and
// that no rubbish is left.
func (c *crashRun) verifyGC(ctx context.Context, s *Store) error {
	if _, err := s.GC(ctx, GCOptions{All: true}); err != nil {
		return err
	}
	bare, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer bare.Close()
	bare.distrust = true
	for core := range c.states {
		for _, s := range []*Store{s, bare} {
			if _, err := c.verifyCore(ctx, s, core); err != nil {
				return fmt.Errorf("core %d after a gc: %w", core, err)
			}
		}
	}
	names, err := c.machine.Process().ReadDir("/store/packs")
	for _, name := range names {
		if !strings.HasSuffix(name, ".pack") {
			err = errors.Join(err, fmt.Errorf("%s is left", name))
		}
	}
	if _, _, gone := c.machine.Process().Stat("/store/" + scratchFolder); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, fmt.Errorf("the scratch folder is left: %w", gone))
	}
	return errors.Join(err, errors.Join(bare.Damage()...))
}

func (c *crashRun) verifySecret(s *Store) error {
	secret, err := s.Secret(crashKey)
	if err != nil && (c.named || !errors.Is(err, ErrNotFound)) {
		return err
	}
	if err == nil && secret.Seed() != [32]byte{9} {
		return errors.New("the secret key is another one")
	}
	key, err := s.Resolve("table")
	if err != nil && (c.named || !errors.Is(err, ErrNotFound)) || err == nil && key != crashKey {
		return fmt.Errorf("name: %v, %w", key, err)
	}
	return nil
}

// verifyCore returns the state that the store has, which must be one that was acknowledged or in progress.
func (c *crashRun) verifyCore(ctx context.Context, s *Store, core int) (*modelCore, error) {
	list := c.states[core]
	v, err := s.View(ctx, list[0].key, false)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	var why error
	for i := len(list) - 1; i >= c.sure[core]; i-- {
		if gone := list[i].head.Signature == nil; gone && v == nil {
			return list[i], nil
		} else if gone || v == nil {
			continue
		}
		err := list[i].compare(ctx, v)
		if err == nil {
			return list[i], nil
		}
		why = errors.Join(why, err)
	}
	return nil, fmt.Errorf("not any of the states from %d on: %w", c.sure[core], why)
}

func newCrashRun(t *testing.T, seed uint64, never bool, script func(context.Context, *crashRun, *Store) []func() error) *crashRun {
	c := &crashRun{t: t, script: script, machine: memfs.New(seed), tuning: tuning{blocks: 14, bufferRows: 4, fanOut: 2, spanBlocks: 3, never: never}}
	for i := range c.states {
		c.states[i] = []*modelCore{newModel(byte(i))}
	}
	return c
}

// TestCrashAtEveryCall fails each call of the workload in turn, in each way, and examines what is left.
func TestCrashAtEveryCall(t *testing.T) { crashAtEveryCall(t, appends) }

// TestGCCrashAtEveryCall does the same with a workload that forgets and collects.
func TestGCCrashAtEveryCall(t *testing.T) { crashAtEveryCall(t, collections) }

// TestDeltaCrashAtEveryCall does the same with a workload of versions.
func TestDeltaCrashAtEveryCall(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	c := newCrashRun(t, 1, false, versions)
	for _, step := range versions(t.Context(), c, s) {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if codecs, _ := codecsOf(t, s); codecs[records.CodecDelta] != 2 {
		t.Fatalf("the workload makes runs of the codecs %v", codecs)
	}
	crashAtEveryCall(t, versions)
}

func crashAtEveryCall(t *testing.T, script func(context.Context, *crashRun, *Store) []func() error) {
	plain := newCrashRun(t, 1, false, script)
	var calls []memfs.Call
	plain.machine.Fault = func(call memfs.Call) memfs.Outcome {
		if call.N > 0 {
			calls = append(calls, call)
		}
		return memfs.Outcome{}
	}
	if err := plain.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	plain.machine.Fault = nil
	if err := plain.verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(calls) < 100 {
		t.Fatalf("the workload makes %d calls", len(calls))
	}
	failed := crashPoints(calls)
	t.Logf("%d calls, of which %d fail", len(calls), len(failed))
	ways := map[string]memfs.Outcome{
		"kill":  {Kill: true},
		"power": {Crash: true},
		"error": {Err: errors.New("input/output error")},
	}
	for name, outcome := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, n := range failed {
				c := newCrashRun(t, uint64(n), n%2 == 0, script)
				var at memfs.Call
				c.machine.Fault = func(call memfs.Call) memfs.Outcome {
					if call.N == n {
						at = call
						return outcome
					}
					return memfs.Outcome{}
				}
				workErr := c.work(t.Context())
				c.machine.Fault = nil
				if n%3 == 0 {
					c.machine.PowerLoss()
				}
				if err := c.verify(t.Context()); err != nil {
					t.Fatalf("%s at call %d (%s %s), which ended in %v: %v", name, n, at.Op, at.Path, workErr, err)
				}
			}
		})
	}
}

// crashPoints returns the numbers of the calls to fail: all or, in a short run, one in so many of each kind.
func crashPoints(calls []memfs.Call) (points []int) {
	step := 1
	if testing.Short() {
		step = max(7, len(calls)/20)
	}
	kinds := make(map[string]int)
	for _, call := range calls {
		if kinds[call.Op]%step == 0 {
			points = append(points, call.N)
		}
		kinds[call.Op]++
	}
	return points
}

// TestTwoStores has two processes append shared content to cores of one store at once, while a third reads.
func TestTwoStores(t *testing.T) {
	dir := t.TempDir()
	models := []*modelCore{newModel(1), newModel(2)}
	shared := randomBlocks(rand.New(rand.NewPCG(8, 8)), 30, 500)
	done := make(chan error, len(models))
	openTest(t, dir, Options{})
	for i, m := range models {
		s := openTest(t, dir, Options{tuning: tiny, LockWait: time.Minute})
		go func() {
			r := rand.New(rand.NewPCG(uint64(i), 8))
			for range 25 {
				var blocks [][]byte
				for range 1 + r.IntN(6) {
					blocks = append(blocks, shared[r.IntN(len(shared))])
				}
				if err := m.append(t.Context(), s, TxOptions{Durable: true}, blocks...); err != nil {
					done <- err
					return
				}
				if err := s.CheckpointError(); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	reader := openTest(t, dir, Options{ReadOnly: true})
	for left := len(models); left > 0; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			left--
		default:
			for _, m := range models {
				v, err := reader.View(t.Context(), m.key, true)
				if errors.Is(err, ErrNotFound) {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				for b := range v.Head().Length {
					data, err := v.Block(t.Context(), b)
					if err != nil {
						t.Fatal(err)
					}
					if n, err := v.Node(t.Context(), 2*b); err != nil || n.Hash != hash.Leaf(data) {
						t.Fatalf("block %d is not what its node says: %v", b, err)
					}
				}
			}
		}
	}
	for _, m := range models {
		m.check(t, m.view(t, reader))
	}
}

var _ packlog.FS = (*memfs.Process)(nil)
