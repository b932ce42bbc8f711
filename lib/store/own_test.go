package store

import (
	"strings"
	"sync/atomic"
	"testing"

	"hc/lib/store/packlog/memfs"
)

// A commit costs few calls, and what it wrote is not read back by the next one. The numbers are what it takes: more of them is
// more of the time that a durable append takes beside its sync.
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

// Own commits are taken in as if they were read: another process has the same state, of each kind of change, also where
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
