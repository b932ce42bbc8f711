package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
)

// crashRun is a fixed workload on a machine that fails at one call.
type crashRun struct {
	t       *testing.T
	machine *memfs.Machine
	states  [3][]*modelCore // of each core, from before its first append on; the last may be under way
	sure    [3]int          // the state that was acknowledged as durable
	named   bool            // the name and the secret key were acknowledged
	tuning  tuning
}

func (c *crashRun) open(ctx context.Context) (*Store, error) {
	return Open(ctx, "/store", Options{Create: true, fs: c.machine.Process(), tuning: c.tuning, packSize: 2 << 10, LockWait: 5 * time.Second})
}

var crashKey = keys.Key{1, 2, 3}

// change does something to a core, which is acknowledged if it returns no error.
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

// work is the workload. It ends at the first error.
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
	own := TxOptions{Durable: true}
	r := rand.New(rand.NewPCG(1, 1))
	appendTo := func(core int, options TxOptions, blocks [][]byte) error {
		return c.change(core, options.Durable, func(m *modelCore) error { return m.append(ctx, s, options, blocks...) })
	}
	steps := []func() error{
		func() error { return appendTo(0, own, blocksOf("a", "b", "c")) },
		func() error { return appendTo(1, TxOptions{Durable: true, Short: true}, lineBlocks(r, 7)) },
		func() error {
			return c.change(2, false, func(m *modelCore) error {
				m.grow(false, blocksOf("x", "a", "y", "z", "b")...)
				m.sign(0)
				return m.put(ctx, s, TxOptions{}, []uint64{3, 1})
			})
		},
		func() error { return appendTo(0, own, blocksOf("b", "y", "q")) },
		func() error { return s.Checkpoint(ctx) },
		func() error {
			return c.change(2, true, func(m *modelCore) error { return m.put(ctx, s, TxOptions{Durable: true}, []uint64{0, 4}) })
		},
		func() error { return appendTo(0, own, randomBlocks(r, 5, 700)) },
		func() error { return appendTo(1, TxOptions{Durable: true, Short: true}, lineBlocks(r, 3)) },
		func() error { return s.Checkpoint(ctx) },
		func() error { return appendTo(0, own, blocksOf("z")) },
	}
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
	// The next append just works, and sees what was there.
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
	return errors.Join(s.Damage()...)
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

// verifyCore returns the state that the store has, which is one that was acknowledged, or was under way.
func (c *crashRun) verifyCore(ctx context.Context, s *Store, core int) (*modelCore, error) {
	list := c.states[core]
	v, err := s.View(ctx, list[0].key, false)
	if errors.Is(err, ErrNotFound) && c.sure[core] == 0 && list[0].head.Signature == nil {
		return list[0], nil
	}
	if err != nil {
		return nil, err
	}
	var why error
	for i := len(list) - 1; i >= c.sure[core]; i-- {
		if list[i].head.Signature == nil {
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

func newCrashRun(t *testing.T, seed uint64, never bool) *crashRun {
	c := &crashRun{t: t, machine: memfs.New(seed), tuning: tuning{blocks: 14, bufferRows: 4, fanOut: 2, spanBlocks: 3, never: never}}
	for i := range c.states {
		c.states[i] = []*modelCore{newModel(byte(i))}
	}
	return c
}

// TestCrashAtEveryCall fails each call of the workload in turn, in each way, and looks at what is left.
func TestCrashAtEveryCall(t *testing.T) {
	plain := newCrashRun(t, 1, false)
	if err := plain.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := plain.verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls := plain.machine.Calls()
	if calls < 100 {
		t.Fatalf("the workload makes %d calls", calls)
	}
	ways := map[string]memfs.Outcome{
		"kill":  {Kill: true},
		"power": {Crash: true},
		"error": {Err: errors.New("input/output error")},
	}
	step := 1 // every call
	if testing.Short() {
		step = 7
	}
	for name, outcome := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= calls; n += step {
				c := newCrashRun(t, uint64(n), n%2 == 0)
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

// TestTwoStores has two processes append to cores of one store at once, with content that they share, and a third read.
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
