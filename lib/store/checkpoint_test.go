package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"hc/lib/hash"
	"hc/lib/merkle"
)

// tiny makes checkpoints do everything with little data.
var tiny = tuning{blocks: 12, bytes: 1 << 20, bufferRows: 8, fanOut: 3, spanBlocks: 9}

func TestCheckpoint(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, short := range []bool{false, true} {
		t.Run(fmt.Sprintf("short=%v", short), func(t *testing.T) {
			dir := t.TempDir()
			s := openTest(t, dir, Options{tuning: tiny})
			m := newModel(1)
			for range 40 {
				blocks := randomBlocks(r, r.IntN(9), 50)
				if short {
					blocks = lineBlocks(r, r.IntN(20))
				}
				if err := m.append(t.Context(), s, TxOptions{Durable: true, Short: short}, blocks...); err != nil {
					t.Fatal(err)
				}
				if err := s.CheckpointError(); err != nil {
					t.Fatal(err)
				}
				m.check(t, m.view(t, s))
			}
			if err := s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			again := openTest(t, dir, Options{ReadOnly: true})
			m.check(t, m.view(t, again))
			st, _, err := again.current(t.Context())
			if err != nil || len(st.commits) != 0 || len(st.derived.Applied.Cores) != 1 {
				t.Fatalf("%d commits are not applied, %v", len(st.commits), err)
			}
			for _, b := range m.blocks {
				if ok, err := again.Has(t.Context(), hash.Leaf(b)); err != nil || ok == short {
					t.Fatalf("Has = %v, %v", ok, err)
				}
			}
			entries, err := os.ReadDir(filepath.Join(dir, "index"))
			if err != nil || len(entries) > 12 {
				t.Fatalf("%d tables of the index, %v", len(entries), err)
			}
		})
	}
}

// put downloads blocks of the log, with their proofs, into a store.
func (m *modelCore) put(ctx context.Context, s *Store, options TxOptions, blocks []uint64) error {
	tx, err := s.Begin(ctx, m.key, options)
	if err != nil {
		return err
	}
	defer tx.Abort()
	nodes := map[uint64]merkle.Node{}
	for _, n := range m.roots() {
		nodes[n.Index] = n
	}
	for _, b := range blocks {
		for index := 2 * b; ; index = merkle.Parent(index) {
			n, ok := m.nodes[index]
			if !ok {
				break
			}
			nodes[index] = n
			if sibling, ok := m.nodes[merkle.Sibling(index)]; ok {
				nodes[sibling.Index] = sibling
			}
		}
	}
	var list []merkle.Node
	for _, n := range nodes {
		list = append(list, n)
	}
	if err := tx.Nodes(ctx, list); err != nil {
		return err
	}
	for _, b := range blocks {
		data := m.blocks[b]
		leaf := hash.Leaf(data)
		if ok, err := tx.Has(ctx, leaf); err != nil {
			return err
		} else if ok && !options.Short {
			data = nil
		}
		put := tx.Put
		if len(data) >= leastLent {
			put = tx.PutStaying
		}
		if err := put(ctx, b, leaf, data); err != nil {
			return err
		}
	}
	return tx.Commit(ctx, func() (Head, error) {
		for _, b := range blocks {
			m.held[b] = true
		}
		return m.head, nil
	})
}

func TestDownload(t *testing.T) {
	for _, short := range []bool{false, true} {
		for _, tune := range []tuning{{}, tiny} {
			t.Run(fmt.Sprintf("short=%v,tiny=%v", short, tune.blocks > 0), func(t *testing.T) {
				r := rand.New(rand.NewPCG(5, 6))
				s := openTest(t, t.TempDir(), Options{tuning: tune})
				m := newModel(1)
				for range 6 {
					blocks := randomBlocks(r, r.IntN(40), 30)
					if short {
						blocks = lineBlocks(r, r.IntN(40))
					}
					m.grow(false, blocks...)
					m.sign(0)
					for range 5 {
						var want []uint64
						for b := range m.length() {
							if !m.held[b] && r.IntN(6) == 0 {
								want = append(want, b)
							}
						}
						r.Shuffle(len(want), func(i, j int) { want[i], want[j] = want[j], want[i] })
						if err := m.put(t.Context(), s, TxOptions{Short: short, Durable: r.IntN(2) == 0}, want); err != nil {
							t.Fatal(err)
						}
						m.check(t, m.view(t, s))
						if err := s.CheckpointError(); err != nil {
							t.Fatal(err)
						}
					}
				}
			})
		}
	}
}
