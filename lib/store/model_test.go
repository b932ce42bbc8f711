package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// modelCore is what a core must be: the plain truth that views are compared with.
type modelCore struct {
	key    keys.Key
	blocks [][]byte // the whole log
	held   map[uint64]bool
	nodes  map[uint64]merkle.Node // the whole tree
	head   Head
}

func newModel(n byte) *modelCore {
	return &modelCore{key: keys.Key{n, 'k'}, held: map[uint64]bool{}, nodes: map[uint64]merkle.Node{}}
}

// grow adds blocks to the log, held or not.
func (m *modelCore) grow(held bool, blocks ...[]byte) {
	roots, err := merkle.NewRoots(m.length(), m.roots())
	if err != nil {
		panic(err)
	}
	for _, b := range blocks {
		i := m.length()
		leaf := merkle.LeafNode(i, b)
		m.nodes[leaf.Index] = leaf
		m.blocks = append(m.blocks, b)
		roots.Append(leaf, func(n merkle.Node) { m.nodes[n.Index] = n })
		if held {
			m.held[i] = true
		}
	}
}

func (m *modelCore) length() uint64 { return uint64(len(m.blocks)) }

func (m *modelCore) roots() []merkle.Node {
	var roots []merkle.Node
	for _, index := range merkle.FullRoots(m.length()) {
		roots = append(roots, m.nodes[index])
	}
	return roots
}

// sign makes the head that the log now has.
func (m *modelCore) sign(fork uint64) Head {
	roots := m.roots()
	m.head = Head{Fork: fork, Length: m.length(), ByteLength: merkle.ByteLength(roots), TreeHash: merkle.TreeHash(roots)}
	m.head.Signature = fmt.Appendf(nil, "signed %v %d %d", m.key.Short(), fork, m.length())
	return m.head
}

// cut cuts the log back.
func (m *modelCore) cut(length uint64) {
	m.blocks = m.blocks[:length]
	for index := range m.nodes {
		if merkle.LastBlock(index) >= length {
			delete(m.nodes, index)
		}
	}
	for b := range m.held {
		if b >= length {
			delete(m.held, b)
		}
	}
}

// derivable returns the nodes that follow from the held blocks and the roots.
func (m *modelCore) derivable() map[uint64]bool {
	known := map[uint64]bool{}
	for _, r := range m.roots() {
		known[r.Index] = true
	}
	for b := range m.held {
		for index := 2 * b; ; index = merkle.Parent(index) {
			known[index] = true
			if !known[merkle.Sibling(index)] {
				break
			}
		}
	}
	return known
}

// check compares everything that a view says with the truth.
func (m *modelCore) check(t testing.TB, v *View) {
	t.Helper()
	ctx := t.Context()
	if got := v.Head(); !sameHead(got, m.head) || !bytes.Equal(got.Signature, m.head.Signature) || got.ByteLength != m.head.ByteLength {
		t.Fatalf("head of %v = %+v, want %+v", m.key.Short(), got, m.head)
	}
	length := m.head.Length
	roots, err := v.Roots(ctx)
	if err != nil || merkle.TreeHash(roots) != m.head.TreeHash {
		t.Fatalf("roots of %v: %v, %v", m.key.Short(), roots, err)
	}
	for b := range length + 2 {
		want := m.held[b] && b < length
		if ok, err := v.Has(ctx, b); ok != want || err != nil {
			t.Fatalf("Has(%d) = %v, %v, want %v", b, ok, err, want)
		}
		data, err := v.Block(ctx, b)
		if want && (err != nil || !bytes.Equal(data, m.blocks[b])) {
			t.Fatalf("Block(%d) = %d bytes, %v, want %d bytes", b, len(data), err, len(m.blocks[b]))
		}
		if !want && !errors.Is(err, ErrBlockMissing) {
			t.Fatalf("Block(%d) = %v, want ErrBlockMissing", b, err)
		}
	}
	m.checkNodes(t, v)
	m.checkRanges(t, v)
}

func (m *modelCore) checkNodes(t testing.TB, v *View) {
	t.Helper()
	derivable := m.derivable()
	for index := range 2*m.head.Length + 4 {
		want, ok := m.nodes[index]
		n, err := v.Node(t.Context(), index)
		switch {
		case !ok:
			if !errors.Is(err, merkle.ErrNodeMissing) {
				t.Fatalf("Node(%d) = %v, %v, want ErrNodeMissing", index, n, err)
			}
		case err == nil:
			if !merkle.Same(n, want) {
				t.Fatalf("Node(%d) of %v = %v, want %v", index, m.key.Short(), n, want)
			}
			if derivable[index] && n.Hint {
				t.Fatalf("Node(%d) is a hint", index)
			}
		case derivable[index] || !errors.Is(err, merkle.ErrNodeMissing):
			t.Fatalf("Node(%d) of %v at %d: %v", index, m.key.Short(), m.head.Length, err)
		}
	}
}

func (m *modelCore) checkRanges(t testing.TB, v *View) {
	t.Helper()
	var want []blockRange
	for b := range m.head.Length {
		if m.held[b] {
			want = addRange(want, blockRange{b, b + 1})
		}
	}
	var got []blockRange
	for from := uint64(0); ; {
		start, end, ok, err := v.Have(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got = append(got, blockRange{start, end})
		from = end
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("ranges of %v = %v, want %v", m.key.Short(), got, want)
	}
	contiguous := uint64(0)
	if len(want) > 0 && want[0].first == 0 {
		contiguous = want[0].end
	}
	if n, err := v.Contiguous(t.Context()); n != contiguous || err != nil {
		t.Fatalf("Contiguous() = %d, %v, want %d", n, err, contiguous)
	}
}

// append appends blocks to the core in a store.
func (m *modelCore) append(ctx context.Context, s *Store, options TxOptions, blocks ...[]byte) error {
	tx, err := s.Begin(ctx, m.key, options)
	if err != nil {
		return err
	}
	defer tx.Abort()
	for _, b := range blocks {
		if err := tx.Append(ctx, hash.Leaf(b), b); err != nil {
			return err
		}
	}
	return tx.Commit(ctx, func() (Head, error) {
		m.grow(true, blocks...)
		return m.sign(m.head.Fork), nil
	})
}

func openTest(t testing.TB, dir string, options Options) *Store {
	t.Helper()
	options.Create = true
	s, err := Open(t.Context(), dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (m *modelCore) view(t testing.TB, s *Store) *View {
	t.Helper()
	v, err := s.View(t.Context(), m.key, false)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
