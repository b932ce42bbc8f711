package store

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"hc/lib/hash"
)

// history is a random run of everything that can be done to some cores of one store, checked against models throughout.
type history struct {
	t      *testing.T
	r      *rand.Rand
	dir    string
	stores []*Store // several processes' worth
	cores  []*modelCore
	tuning tuning
	pool   [][]byte // content that cores share
	views  []keptView
	gcs    int

	passages int // in the log before each gc
}

// keptView is a view and what it must keep saying.
type keptView struct {
	view  *View
	model *modelCore
	of    *modelCore // the core as it is now
	cuts  int        // its cuts when the view was made
	gcs   int        // the number of gcs then
}

func (m *modelCore) clone() *modelCore {
	c := *m
	c.blocks = slices.Clone(m.blocks)
	c.held, c.nodes, c.kept = maps.Clone(m.held), maps.Clone(m.nodes), maps.Clone(m.kept)
	return &c
}

func (h *history) store() *Store { return h.stores[h.r.IntN(len(h.stores))] }

func (h *history) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) content(short bool) [][]byte {
	n := h.r.IntN(14)
	if short {
		return lineBlocks(h.r, n)
	}
	blocks := randomBlocks(h.r, n, 60)
	for i := range blocks {
		if len(h.pool) > 0 && h.r.IntN(2) == 0 {
			blocks[i] = h.pool[h.r.IntN(len(h.pool))]
		}
	}
	h.pool = append(h.pool, blocks...)
	if n := len(h.pool); n > 0 && h.r.IntN(2) == 0 { // a part of an earlier version
		from := h.r.IntN(n)
		blocks = append(blocks, h.pool[from:min(n, from+h.r.IntN(12))]...)
	}
	return blocks
}

// step does one thing. Cores 0 and 1 are own ones, 2 and 3 are downloaded; odd ones have short blocks.
func (h *history) step() {
	i := h.r.IntN(len(h.cores))
	m, short, own := h.cores[i], i%2 == 1, i < 2
	ctx := h.t.Context()
	options := TxOptions{Short: short, Durable: own || h.r.IntN(3) == 0}
	known := m.head.Length > 0 || len(m.head.Signature) > 0
	n := h.r.IntN(22)
	if testing.Verbose() {
		h.t.Logf("%d on core %d of length %d", n, i, m.length())
	}
	switch {
	case n < 10 && own:
		h.must(m.append(ctx, h.store(), options, h.content(short)...))
	case n < 10:
		if h.r.IntN(2) == 0 {
			m.grow(false, h.content(short)...)
			m.sign(m.head.Fork)
		}
		var want []uint64
		for b := range m.length() {
			if !m.held[b] && h.r.IntN(4) == 0 {
				want = append(want, b)
			}
		}
		h.r.Shuffle(len(want), func(i, j int) { want[i], want[j] = want[j], want[i] })
		if m.head.Signature == nil {
			m.sign(0)
		}
		h.must(m.put(ctx, h.store(), options, want))
	case n < 11 && known && own:
		h.truncate(m, options)
	case n < 12 && known && own:
		h.clear(m)
	case n < 13 && known && h.r.IntN(4) == 0:
		h.drop(m)
	case n < 15:
		h.must(h.store().Checkpoint(ctx))
	case n < 16:
		k := h.r.IntN(len(h.stores))
		h.must(h.stores[k].Close())
		h.stores[k] = h.open()
		h.views = slices.DeleteFunc(h.views, func(v keptView) bool { return v.view.store.log != nil && !slices.Contains(h.stores, v.view.store) })
	case n < 17 && known:
		tx, err := h.store().Begin(ctx, m.key, options)
		h.must(err)
		for _, b := range h.content(short) {
			h.must(tx.Append(ctx, hash.Leaf(b), b))
		}
		h.must(tx.runs.Finish(ctx, tx.write)) // what is void stays in the log
		tx.Abort()
	case n < 18 && known && len(h.views) < 8:
		h.views = append(h.views, keptView{m.view(h.t, h.store()), m.clone(), m, m.cuts, h.gcs})
	case n >= 20:
		h.collect()
	default:
		h.check()
	}
}

// collect frees what is dead.
func (h *history) collect() {
	n, _ := passagesOf(h.t, h.store())
	h.passages += n
	if h.r.IntN(3) == 0 {
		_, err := h.store().Repack(h.t.Context(), RepackOptions{Cold: h.r.IntN(2) == 0})
		h.must(err)
	} else {
		_, err := h.store().GC(h.t.Context(), GCOptions{All: h.r.IntN(2) == 0})
		h.must(err)
	}
	h.gcs++
}

func (h *history) truncate(m *modelCore, options TxOptions) {
	ctx := h.t.Context()
	length := h.r.Uint64N(m.length() + 1)
	tx, err := h.store().Begin(ctx, m.key, options)
	h.must(err)
	defer tx.Abort()
	h.must(tx.Truncate(ctx, m.head.Fork+1, length))
	m.cut(length)
	m.cuts++
	blocks := h.content(options.Short)
	for _, b := range blocks {
		h.must(tx.Append(ctx, hash.Leaf(b), b))
	}
	h.must(tx.Commit(ctx, func() (Head, error) {
		m.grow(true, blocks...)
		return m.sign(m.head.Fork + 1), nil
	}))
}

func (h *history) clear(m *modelCore) {
	ctx := h.t.Context()
	first := h.r.Uint64N(m.length() + 1)
	end := first + h.r.Uint64N(m.length()+1-first)
	s := h.store()
	m.kept = m.proofs(ctx, m.view(h.t, s), first, end)
	h.must(s.Clear(ctx, m.key, first, end))
	m.cuts++
	for b := first; b < end; b++ {
		delete(m.held, b)
	}
}

func (h *history) drop(m *modelCore) {
	h.must(h.store().Drop(h.t.Context(), m.key))
	cuts := m.cuts + 1
	*m = *newModel(m.key[0])
	m.cuts = cuts
}

func (h *history) open() *Store {
	s, err := Open(h.t.Context(), h.dir, Options{Create: true, tuning: h.tuning, packSize: 16 << 10})
	h.must(err)
	return s
}

// check compares every core in every store with its model, and the kept views with what they were.
func (h *history) check() {
	h.t.Helper()
	for _, s := range h.stores {
		for _, m := range h.cores {
			if m.head.Signature == nil {
				if v, err := s.View(h.t.Context(), m.key, false); err == nil {
					h.t.Fatalf("core %v is there with head %+v", m.key.Short(), v.Head())
				}
				continue
			}
			m.check(h.t, m.view(h.t, s))
		}
		h.must(s.CheckpointError())
		if damage := s.Damage(); len(damage) > 0 {
			h.t.Fatal(damage)
		}
	}
	// A view that is older than a gc may lack what was forgotten since it was made.
	h.views = slices.DeleteFunc(h.views, func(v keptView) bool { return v.gcs != h.gcs && v.cuts != v.of.cuts })
	for _, v := range h.views {
		v.model.check(h.t, v.view)
	}
}

// rebuild compares everything with the result of replaying the whole log.
func (h *history) rebuild() {
	bare := h.open()
	bare.distrust = true
	h.stores = append(h.stores, bare)
	h.check()
}

func TestHistories(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 5
	}
	passages := 0
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			h := &history{t: t, r: rand.New(rand.NewPCG(seed, 7)), dir: t.TempDir(), tuning: tiny}
			if seed%3 == 1 {
				h.tuning.never = true
			}
			if seed%3 == 2 {
				h.tuning = tuning{blocks: 60, bufferRows: 16, fanOut: 2, spanBlocks: 7}
			}
			for i := range byte(4) {
				h.cores = append(h.cores, newModel(i))
			}
			h.stores = []*Store{h.open(), h.open()}
			for range 120 {
				h.step()
			}
			h.check()
			h.collect()
			h.check()
			h.rebuild()
			for _, s := range h.stores {
				h.must(s.Close())
			}
			passages += h.passages
		})
	}
	if passages < int(seeds) {
		t.Errorf("only %d passages came before a gc", passages)
	}
}
