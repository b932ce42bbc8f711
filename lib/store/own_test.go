package store

import (
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"hc/lib/hash"
	"hc/lib/store/packlog/memfs"
)

// A commit costs few calls, and the next one does not read back what it wrote. The numbers are what it takes now: more
// calls take more of the time that a durable append spends besides its sync.
func TestCallsOfACommit(t *testing.T) {
	machine := memfs.New(1)
	s, err := Open(t.Context(), "/store", Options{Create: true, fs: machine.Process()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := newModel(1)
	for range 3 {
		if err := m.append(t.Context(), s, TxOptions{Durable: true, Short: true}, []byte("a line\n")); err != nil {
			t.Fatal(err)
		}
	}
	var calls, reads atomic.Int32
	machine.Fault = func(c memfs.Call) memfs.Outcome {
		calls.Add(1)
		if c.Op == "read" && strings.HasSuffix(c.Path, ".pack") {
			reads.Add(1)
		}
		return memfs.Outcome{}
	}
	err = m.append(t.Context(), s, TxOptions{Durable: true, Short: true}, []byte("a line\n"))
	machine.Fault = nil
	if err != nil {
		t.Fatal(err)
	}
	if reads.Load() != 0 || calls.Load() == 0 || calls.Load() > 17 {
		t.Errorf("%d calls, %d of them read packs", calls.Load(), reads.Load())
	}
	m.check(t, m.view(t, s))
}

// Own commits are taken in as if they were read: another process has the same state, with each kind of change, even if
// somebody else wrote in between.
func TestOwnCommitsAsRead(t *testing.T) {
	machine := memfs.New(1)
	open := func() *Store {
		s, err := Open(t.Context(), "/store", Options{Create: true, fs: machine.Process(), packSize: 4 << 10, tuning: tuning{never: true}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	first, second := open(), open()
	cores := []*modelCore{newModel(1), newModel(2), newModel(3)}
	for round := range 12 {
		for i, m := range cores {
			s := first
			if (round+i)%4 == 3 {
				s = second
			}
			if err := m.append(t.Context(), s, TxOptions{Durable: i != 1, Short: i == 2}, blocksOf("x", strings.Repeat("y", 100*round), "z")...); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range []*Store{first, second, open()} {
			for _, m := range cores {
				m.check(t, m.view(t, s))
			}
		}
	}
}

// What a transaction wrote in several batches is not read back either, unless somebody else wrote between them, or it
// was too much to be held; the resulting state is the same.
func TestOwnBatchesAreNotReadBack(t *testing.T) {
	const batches = 3
	many := randomBlocks(rand.New(rand.NewPCG(1, 2)), mostLearnt/(hash.Size-4), 16)
	cases := map[string]struct {
		blocks  [][]byte
		between bool
		read    bool
	}{
		"batches":            {blocks: large(batches * oneBatch), read: false},
		"another in between": {blocks: large(batches * oneBatch), between: true, read: true},
		"more than is held":  {blocks: many, read: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			machine := memfs.New(1)
			open := func() *Store {
				s, err := Open(t.Context(), "/store", Options{Create: true, fs: machine.Process(), tuning: tuning{never: true}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				return s
			}
			s, second := open(), open()
			m, other := newModel(1), newModel(2)
			if err := m.append(t.Context(), s, TxOptions{}, []byte("first")); err != nil {
				t.Fatal(err)
			}
			tx, err := s.Begin(t.Context(), m.key, TxOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Abort()
			for i, b := range c.blocks {
				if i == len(c.blocks)/2 && c.between {
					if err := other.append(t.Context(), second, TxOptions{}, []byte("another")); err != nil {
						t.Fatal(err)
					}
				}
				if err := tx.Append(t.Context(), hash.Leaf(b), b); err != nil {
					t.Fatal(err)
				}
			}
			err = tx.Commit(t.Context(), func() (Head, error) {
				m.grow(true, c.blocks...)
				return m.sign(0), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			var reads atomic.Int32
			machine.Fault = func(c memfs.Call) memfs.Outcome {
				if c.Op == "read" && strings.HasSuffix(c.Path, ".pack") {
					reads.Add(1)
				}
				return memfs.Outcome{}
			}
			view := m.view(t, s)
			machine.Fault = nil
			if read := reads.Load() > 0; read != c.read {
				t.Errorf("%d reads of packs, expected some: %v", reads.Load(), c.read)
			}
			m.check(t, view)
			if c.between {
				other.check(t, other.view(t, s))
			}
			m.check(t, m.view(t, second))
		})
	}
}

// What a long transaction wrote is not read back by the checkpoint after it, unless somebody else wrote in between, or
// made a checkpoint with a part of it, or it continues in another pack; the result is the same.
func TestCheckpointKnowsOwn(t *testing.T) {
	cases := map[string]struct {
		packSize uint64
		first    func(t *testing.T, s, other *Store, m *modelCore) // before the transaction
		between  func(t *testing.T, s, other *Store, m *modelCore) // between its batches
		read     bool
	}{
		"nothing before": {read: false},
		"before": {first: func(t *testing.T, _, other *Store, m *modelCore) {
			mustAppend(t, m, other, blocksOf("other", "writes", "this")...)
		}, read: false},
		"between": {between: func(t *testing.T, _, other *Store, m *modelCore) {
			mustAppend(t, m, other, blocksOf("other", "writes", "this")...)
		}, read: true},
		"part of it": {between: func(t *testing.T, _, other *Store, m *modelCore) {
			mustAppend(t, m, other, blocksOf("other")...)
			if err := other.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, read: true},
		"more packs": {packSize: 3 * oneBatch / 2, read: true},
		"checkpoint before": {first: func(t *testing.T, s, other *Store, m *modelCore) {
			mustAppend(t, m, other, blocksOf("other")...)
			if err := s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, read: false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			machine := memfs.New(1)
			open := func(tuning tuning) *Store {
				s, err := Open(t.Context(), "/store", Options{Create: true, fs: machine.Process(), packSize: c.packSize, tuning: tuning})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				return s
			}
			blocks := large(2*oneBatch + 64<<10)
			s, second := open(tuning{blocks: uint64(len(blocks))}), open(tuning{never: true})
			m, other := newModel(1), newModel(2)
			if c.first != nil {
				c.first(t, s, second, other)
			}
			tx, err := s.Begin(t.Context(), m.key, TxOptions{Durable: true})
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Abort()
			for i, b := range blocks {
				if i == len(blocks)-1 && c.between != nil {
					c.between(t, s, second, other)
				}
				if err := tx.Append(t.Context(), hash.Leaf(b), b); err != nil {
					t.Fatal(err)
				}
			}
			var reads atomic.Int32
			err = tx.Commit(t.Context(), func() (Head, error) {
				m.grow(true, blocks...)
				machine.Fault = func(c memfs.Call) memfs.Outcome {
					if c.Op == "read" && strings.HasSuffix(c.Path, ".pack") {
						reads.Add(1)
					}
					return memfs.Outcome{}
				}
				return m.sign(0), nil
			})
			machine.Fault = nil
			if err != nil || s.CheckpointError() != nil {
				t.Fatal(err, s.CheckpointError())
			}
			if read := int(reads.Load()) > len(blocks)/8; read != c.read { // there is a run for each four, and earlier ones are read
				t.Errorf("%d reads of packs, expected many: %v", reads.Load(), c.read)
			}
			again := open(tuning{never: true})
			st, _, err := again.current(t.Context())
			if err != nil || len(st.commits) != 0 {
				t.Fatalf("%d commits are not applied, %v", len(st.commits), err)
			}
			for _, s := range []*Store{s, second, again} {
				m.check(t, m.view(t, s))
				if other.length() > 0 {
					other.check(t, other.view(t, s))
				}
			}
			asDerived(t, machine)
		})
	}
}

// asDerived checks that the derived files are what follows from the log. Heads need not be signed.
func asDerived(t *testing.T, machine *memfs.Machine) {
	t.Helper()
	c, err := NewChecker(t.Context(), "/store", CheckOptions{
		fs: machine.Process(), scratchFS: memfs.New(1).Process(),
		Found: func(f Finding) {
			if !f.HasKey || f.End > f.First || f.Harm == HarmDerived {
				t.Errorf("found %+v", f)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func mustAppend(t *testing.T, m *modelCore, s *Store, blocks ...[]byte) {
	t.Helper()
	if err := m.append(t.Context(), s, TxOptions{Durable: true}, blocks...); err != nil {
		t.Fatal(err)
	}
}

// What a transaction held to be taken in at its commit is released then, or when the transaction is given up.
func TestOwnRecordsAreLetGo(t *testing.T) {
	for name, end := range map[string]func(tx *Tx, m *modelCore, blocks [][]byte) error{
		"committed": func(tx *Tx, m *modelCore, blocks [][]byte) error {
			return tx.Commit(t.Context(), func() (Head, error) {
				m.grow(true, blocks...)
				return m.sign(0), nil
			})
		},
		"given up": func(tx *Tx, _ *modelCore, _ [][]byte) error {
			tx.Abort()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, m, blocks := openTest(t, t.TempDir(), Options{}), newModel(1), large(2*oneBatch)
			if err := m.append(t.Context(), s, TxOptions{}, []byte("first")); err != nil {
				t.Fatal(err)
			}
			tx, err := s.Begin(t.Context(), m.key, TxOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Abort()
			for _, b := range blocks {
				if err := tx.Append(t.Context(), hash.Leaf(b), b); err != nil {
					t.Fatal(err)
				}
			}
			if tx.wrote.Empty() {
				t.Fatal("no batch was written before the end")
			}
			if err := end(tx, m, blocks); err != nil {
				t.Fatal(err)
			}
			if !tx.wrote.Empty() {
				t.Error("records are held")
			}
		})
	}
}

// large returns incompressible blocks of 64 KiB, with so many bytes in all.
func large(bytes int) (blocks [][]byte) {
	r := rand.New(rand.NewPCG(3, 4))
	for ; bytes > 0; bytes -= 64 << 10 {
		blocks = append(blocks, randomBytes(r, 64<<10))
	}
	return blocks
}
