package hyperbee

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// crafted is a core of blocks made by hand. It counts reads, and refuses to continue for ever.
type crafted struct {
	blocks [][]byte
	reads  int
}

var errTooManyReads = errors.New("too many reads")

func (c *crafted) Block(_ context.Context, seq uint64) ([]byte, error) {
	c.reads++
	if c.reads > 100_000 {
		return nil, errTooManyReads
	}
	if seq >= uint64(len(c.blocks)) {
		return nil, fmt.Errorf("block %d of %d", seq, len(c.blocks))
	}
	return c.blocks[seq], nil
}

// leafOf and inner make nodes. Children are pairs of block and offset.
func leafOf(keys ...uint64) *node {
	n := &node{keyCount: len(keys)}
	copy(n.keySeqs[:], keys)
	return n
}

func inner(n *node, children ...pointer) *node {
	n.childCount = copy(n.pointers[:], children)
	return n
}

// blockOf returns a block of a key and these nodes.
func blockOf(key string, nodes ...*node) []byte {
	var levels [][]byte
	for _, n := range nodes {
		levels = append(levels, n.encode())
	}
	return encodeBlock(levels, []byte(key), []byte("v"))
}

// craft makes a core of a header, blocks of the keys a, b, c …, and a last block with the root.
func craft(keys int, last []byte) *crafted {
	c := &crafted{blocks: [][]byte{Header()}}
	for i := range keys {
		c.blocks = append(c.blocks, blockOf(string(rune('a'+i))))
	}
	c.blocks = append(c.blocks, last)
	return c
}

func hostileTrees() map[string]struct {
	core *crafted
	want string
} {
	nine := []byte{0x0a, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	chain := []*node{}
	for i := range uint64(40) {
		chain = append(chain, inner(leafOf(1), pointer{10, i + 1}, pointer{10, i + 1}))
	}
	chain = append(chain, leafOf(2))
	return map[string]struct {
		core *crafted
		want string
	}{
		"own child":           {craft(9, blockOf("k", inner(leafOf(1), pointer{10, 0}, pointer{10, 0}))), "deeper than 32"},
		"two nodes in a ring": {craft(9, blockOf("k", inner(leafOf(1), pointer{10, 1}, pointer{10, 1}), inner(leafOf(2), pointer{10, 0}, pointer{10, 0}))), "deeper than 32"},
		"deep":                {craft(9, blockOf("k", chain...)), "deeper than 32"},
		"nine keys":           {craft(9, encodeBlock([][]byte{nine}, []byte("k"), nil)), "more than 8 keys"},
		"a child too few":     {craft(9, blockOf("k", inner(leafOf(1, 2), pointer{10, 1}, pointer{10, 1}), leafOf(3))), "2 children beside 2 keys"},
		"key in the future":   {craft(9, blockOf("k", leafOf(11))), "key in block 11"},
		"key in the header":   {craft(9, blockOf("k", leafOf(0))), "key in block 0"},
		"child in the future": {craft(9, blockOf("k", inner(leafOf(2), pointer{11, 0}, pointer{10, 1}), leafOf(1))), "child in block 11"},
		"child that is none":  {craft(9, blockOf("k", inner(leafOf(2), pointer{10, 2}, pointer{10, 1}), leafOf(3))), "node 2 of 2"},
		"block without nodes": {craft(9, blockOf("k")), "node 0 of 0"},
		"unequal depth": {craft(9, blockOf("k", inner(leafOf(4), pointer{10, 1}, pointer{10, 2}), leafOf(1, 2, 3),
			inner(leafOf(6), pointer{10, 3}, pointer{10, 4}), leafOf(5), leafOf(7))), "leaves at different depths"},
		"unequal depth, right": {craft(9, blockOf("k", inner(leafOf(4), pointer{10, 2}, pointer{10, 1}), leafOf(5, 6, 7),
			inner(leafOf(2), pointer{10, 3}, pointer{10, 4}), leafOf(1), leafOf(3))), "leaves at different depths"},
		"keys out of order":      {craft(9, blockOf("k", leafOf(1, 3, 2, 4))), "out of order"},
		"key twice":              {craft(9, blockOf("k", leafOf(1, 2, 2, 3))), "out of order"},
		"key beyond its parents": {craft(9, blockOf("k", inner(leafOf(4), pointer{10, 1}, pointer{10, 2}), leafOf(1, 2, 5), leafOf(6, 7))), "out of order"},
		"node twice":             {craft(9, blockOf("k", inner(leafOf(4), pointer{10, 1}, pointer{10, 1}), leafOf(1, 2, 3))), "out of order"},
		"leaf without keys":      {craft(9, blockOf("k", inner(leafOf(4), pointer{10, 1}, pointer{10, 2}), leafOf(1, 2, 3), leafOf())), "no keys"},
		"root with a child only": {craft(9, blockOf("k", inner(leafOf(), pointer{10, 1}), leafOf(1, 2, 3))), "no keys"},
		"not a block":            {craft(9, []byte("no")), "block 10"},
		"header as a key":        {&crafted{blocks: [][]byte{Header(), Header()}}, "block 1"},
	}
}

func TestHostileTreesAreRefused(t *testing.T) {
	for name, c := range hostileTrees() {
		for _, reverse := range []bool{false, true} {
			tree := Open(c.core, uint64(len(c.core.blocks)))
			c.core.reads = 0
			err := tree.Walk(t.Context(), Range{Reverse: reverse}, func(Entry) error { return nil })
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: walk: %v", name, err)
			}
			if c.core.reads > 100 {
				t.Errorf("%s: %d reads", name, c.core.reads)
			}
		}
	}
}

// TestHostileTreesEndAllCalls only checks that calls end: not every call reaches the flaw.
func TestHostileTreesEndAllCalls(t *testing.T) {
	for name, c := range hostileTrees() {
		t.Run(name, func(t *testing.T) { callAll(t, c.core) })
	}
}

// callAll makes all calls on a core, which have to end after few reads and with no error other than ErrCorrupt.
func callAll(t *testing.T, core *crafted) {
	ctx := t.Context()
	version := uint64(len(core.blocks))
	check := func(what string, err error) {
		t.Helper()
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
		if core.reads > 200*len(core.blocks) {
			t.Errorf("%s: %d reads of %d blocks", what, core.reads, len(core.blocks))
		}
		core.reads = 0
	}
	tree := OpenUncached(core, version)
	var last string
	check("walk", tree.Walk(ctx, Range{}, func(e Entry) error {
		if string(e.Key) <= last && last != "" {
			t.Errorf("%q comes behind %q", e.Key, last)
		}
		last = string(e.Key)
		return nil
	}))
	keys := []string{"", "a", "c", "cc", "e", "files\x00/file-0007", "files\x00/file-0050", "z"}
	for _, key := range keys {
		_, err := tree.Get(ctx, []byte(key))
		check("get", err)
		check("walk from a key", tree.Walk(ctx, Range{GT: []byte(key)}, func(Entry) error { return nil }))
		check("walk back from a key", tree.Walk(ctx, Range{LTE: []byte(key), Reverse: true}, func(Entry) error { return nil }))
	}
	check("history", tree.History(ctx, 0, func(Change) error { return nil }))
	for _, older := range []uint64{1, version - 1, version / 2} {
		check("diff", Diff(ctx, OpenUncached(core, older), tree, Range{}, func(_, _ *Entry) error { return nil }))
		check("diff back", Diff(ctx, tree, OpenUncached(core, older), Range{Reverse: true}, func(_, _ *Entry) error { return nil }))
	}
	batch := NewBatch(core, version)
	for i, key := range keys {
		var err error
		if i%2 == 0 {
			err = batch.Put(ctx, []byte(key), nil)
		} else {
			_, err = batch.Delete(ctx, []byte(key))
		}
		if err != nil {
			check("batch", err)
			return
		}
	}
	_, err := batch.Flush(ctx)
	check("flush", err)
}

// TestDiffOfTwoBushes compares two trees that share no node. Each node leads to the one below it twice, so there are
// 2^31 paths.
func TestDiffOfTwoBushes(t *testing.T) {
	bush := func(seq uint64) []byte {
		var nodes []*node
		for i := range uint64(31) {
			nodes = append(nodes, inner(leafOf(1+i), pointer{seq, i + 1}, pointer{seq, i + 1}))
		}
		return blockOf("k", append(nodes, leafOf(32))...)
	}
	core := &crafted{blocks: [][]byte{Header()}}
	for i := range 33 {
		core.blocks = append(core.blocks, blockOf(fmt.Sprintf("%02d", 50-i)))
	}
	core.blocks = append(core.blocks, bush(34), bush(35))
	err := Diff(t.Context(), Open(core, 35), Open(core, 36), Range{}, func(_, _ *Entry) error { return nil })
	if !errors.Is(err, ErrCorrupt) || core.reads > 100 {
		t.Errorf("%v after %d reads", err, core.reads)
	}
}

// TestManyNodesInABlock reaches the last of the millions of nodes that fit into a block, and a bad one beside it.
func TestManyNodesInABlock(t *testing.T) {
	levels := make([][]byte, 4<<20)
	levels[len(levels)-1] = leafOf(1).encode()
	levels[0] = inner(leafOf(2), pointer{3, uint64(len(levels) - 1)}, pointer{3, 1}).encode()
	core := craft(2, encodeBlock(levels, []byte("k"), nil))
	err := Open(core, 4).Walk(t.Context(), Range{}, func(Entry) error { return nil })
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "no keys") || core.reads > 10 {
		t.Errorf("%v after %d reads", err, core.reads)
	}
}

// mutate changes bytes of blocks: each three bytes of how are the block, the byte in it, and its new value.
func mutate(blocks [][]byte, how []byte) *crafted {
	c := &crafted{blocks: append([][]byte{Header()}, blocks...)}
	for ; len(how) >= 3; how = how[3:] {
		at := 1 + int(how[0])%len(blocks)
		b := append([]byte(nil), c.blocks[at]...)
		b[int(how[1])%len(b)] = how[2]
		c.blocks[at] = b
	}
	return c
}

// smallCore returns the blocks of a tree of three levels from which keys were deleted again.
func smallCore(t testing.TB) [][]byte {
	core := &crafted{blocks: [][]byte{Header()}}
	for i := range 12 {
		batch := NewBatch(core, uint64(len(core.blocks)))
		for j := range 12 {
			key := fmt.Appendf(nil, "files\x00/file-%04d", (7*(12*i+j))%100)
			var err error
			if j%4 == 3 {
				_, err = batch.Delete(t.Context(), key)
			} else {
				err = batch.Put(t.Context(), key, []byte("v"))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		blocks, err := batch.Flush(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		core.blocks = append(core.blocks, blocks...)
	}
	return core.blocks[1:]
}

func FuzzWalk(f *testing.F) {
	blocks := smallCore(f)
	f.Add([]byte{})
	f.Add([]byte{byte(len(blocks) - 1), 5, 9})
	f.Fuzz(func(t *testing.T, how []byte) { callAll(t, mutate(blocks, how)) })
}

func TestMutatedTrees(t *testing.T) {
	blocks := smallCore(t)
	random := rand.New(rand.NewPCG(4, 4))
	refused := 0
	for range 400 {
		how := make([]byte, 3*(1+random.IntN(6)))
		for i := range how {
			how[i] = byte(random.IntN(256))
			if i%3 > 0 {
				how[i] %= 40 // among the nodes, to something small
			}
			if i%3 == 0 && random.IntN(2) == 0 {
				how[i] = byte(len(blocks) - 1 - random.IntN(4))
			}
		}
		core := mutate(blocks, how)
		callAll(t, core)
		if err := Open(core, uint64(len(core.blocks))).Walk(t.Context(), Range{}, func(Entry) error { return nil }); err != nil {
			refused++
		}
	}
	if refused < 100 {
		t.Errorf("only %d of the mutated trees were refused", refused)
	}
}

// expecting is a crafted core that implements Expecter.
type expecting struct{ *crafted }

func (expecting) Expect([]uint64) {}

func TestHostileTreesEndPrefetch(t *testing.T) {
	for name, c := range hostileTrees() {
		version := uint64(len(c.core.blocks))
		err := Open(expecting{c.core}, version).Prefetch(t.Context(), Range{})
		if errors.Is(err, errTooManyReads) || uint64(c.core.reads) > 40*version {
			t.Errorf("%s: %d reads, %v", name, c.core.reads, err)
		}
	}
}
