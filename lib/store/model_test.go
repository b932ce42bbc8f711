package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
)

// modelCore is what a core must be: the plain truth to compare views with.
type modelCore struct {
	key    keys.Key
	blocks [][]byte // the whole log
	held   map[uint64]bool
	nodes  map[uint64]merkle.Node // the whole tree
	kept   map[uint64]bool        // nodes of the proofs that a clear must not have touched
	head   Head
	cuts   int // how often something was forgotten
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

// sign makes the head for the log as it is now.
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
	maps.DeleteFunc(m.held, func(b uint64, _ bool) bool { return b >= length })
	maps.DeleteFunc(m.kept, func(index uint64, _ bool) bool { return merkle.LastBlock(index) >= length })
}

// proofs returns the nodes that a view has of the proofs of held blocks, except those of the blocks first … end-1.
func (m *modelCore) proofs(ctx context.Context, v *View, first, end uint64) map[uint64]bool {
	known := map[uint64]bool{}
	for b := range m.held {
		if b >= first && b < end {
			continue
		}
		for index := 2 * b; merkle.LastBlock(index) < m.length(); index = merkle.Parent(index) {
			for _, i := range []uint64{index, merkle.Sibling(index)} {
				if _, err := v.Node(ctx, i); err == nil {
					known[i] = true
				}
			}
		}
	}
	return known
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

// check compares everything that a view says with the model.
func (m *modelCore) check(t testing.TB, v *View) {
	t.Helper()
	if err := m.compare(t.Context(), v); err != nil {
		t.Fatalf("core %v: %v", m.key.Short(), err)
	}
}

// compare returns the first difference between a view and the model.
func (m *modelCore) compare(ctx context.Context, v *View) error {
	if got := v.Head(); !derived.SameHead(got, m.head) || !bytes.Equal(got.Signature, m.head.Signature) || got.ByteLength != m.head.ByteLength {
		return fmt.Errorf("head is %+v, want %+v", got, m.head)
	}
	roots, err := v.Roots(ctx)
	if err != nil || merkle.TreeHash(roots) != m.head.TreeHash {
		return fmt.Errorf("roots are %v, %v", roots, err)
	}
	return cmp.Or(m.compareBlocks(ctx, v), m.compareNodes(ctx, v), m.compareRanges(ctx, v))
}

func (m *modelCore) compareBlocks(ctx context.Context, v *View) error {
	length := m.head.Length
	for b := range length + 2 {
		want := m.held[b] && b < length
		if ok, err := v.Has(ctx, b); ok != want || err != nil {
			return fmt.Errorf("Has(%d) = %v, %v, want %v", b, ok, err, want)
		}
		data, err := v.Block(ctx, b)
		if want && (err != nil || !bytes.Equal(data, m.blocks[b])) {
			return fmt.Errorf("Block(%d) = %d bytes, %v, want %d bytes", b, len(data), err, len(m.blocks[b]))
		}
		if !want && !errors.Is(err, ErrBlockMissing) {
			return fmt.Errorf("Block(%d) = %v, want ErrBlockMissing", b, err)
		}
	}
	return nil
}

func (m *modelCore) compareNodes(ctx context.Context, v *View) error {
	derivable := m.derivable()
	for index := range 2*m.head.Length + 4 {
		want, ok := m.nodes[index]
		n, err := v.Node(ctx, index)
		switch {
		case !ok:
			if !errors.Is(err, merkle.ErrNodeMissing) {
				return fmt.Errorf("Node(%d) = %v, %v, want ErrNodeMissing", index, n, err)
			}
		case err == nil:
			if !merkle.Same(n, want) {
				return fmt.Errorf("Node(%d) = %v, want %v", index, n, want)
			}
			if derivable[index] && n.Hint {
				return fmt.Errorf("Node(%d) is a hint", index)
			}
		case derivable[index] || m.kept[index] || !errors.Is(err, merkle.ErrNodeMissing):
			return fmt.Errorf("Node(%d) of %d blocks: %w", index, m.head.Length, err)
		}
	}
	return nil
}

func (m *modelCore) compareRanges(ctx context.Context, v *View) error {
	var want, got []blockmap.Range
	for b := range m.head.Length {
		if m.held[b] {
			want = blockmap.AddRange(want, blockmap.Range{First: b, End: b + 1})
		}
	}
	for from := uint64(0); ; {
		start, end, ok, err := v.Have(ctx, from)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		got = append(got, blockmap.Range{First: start, End: end})
		from = end
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("ranges are %v, want %v", got, want)
	}
	contiguous := uint64(0)
	if len(want) > 0 && want[0].First == 0 {
		contiguous = want[0].End
	}
	if n, err := v.Contiguous(ctx); n != contiguous || err != nil {
		return fmt.Errorf("Contiguous() = %d, %v, want %d", n, err, contiguous)
	}
	return nil
}

// append appends blocks to the core in a store.
func (m *modelCore) append(ctx context.Context, s *Store, options TxOptions, blocks ...[]byte) error {
	tx, err := s.Begin(ctx, m.key, options)
	if err != nil {
		return err
	}
	defer tx.Abort()
	if err := appendEither(ctx, tx, blocks...); err != nil {
		return err
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
