package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"hc/lib/keys"
	"hc/lib/merkle"
)

// testLog is a signed log in memory: a Source that can be at any length.
type testLog struct {
	auth    *keys.Auth
	secret  keys.Secret
	fork    uint64
	blocks  [][]byte
	roots   *merkle.Roots
	nodes   map[uint64]merkle.Node
	rootsAt [][]merkle.Node // by length

	mu      sync.Mutex
	heads   []uint64 // lengths that Head and then Next return
	missing map[uint64]bool
}

func newLog(t testing.TB, blocks ...[]byte) *testLog {
	t.Helper()
	secret := keys.SecretFromSeed([32]byte{1: 7})
	m := keys.DefaultManifest(secret.Public())
	return newLogOf(t, secret, m.Key(), m.Encode(), blocks...)
}

func newLogOf(t testing.TB, secret keys.Secret, key keys.Key, manifest []byte, blocks ...[]byte) *testLog {
	t.Helper()
	auth, err := keys.NewAuth(key, manifest)
	if err != nil {
		t.Fatal(err)
	}
	roots, err := merkle.NewRoots(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := &testLog{auth: auth, secret: secret, roots: roots, nodes: map[uint64]merkle.Node{}, rootsAt: [][]merkle.Node{nil}}
	l.append(blocks...)
	return l
}

func (l *testLog) append(blocks ...[]byte) {
	for _, b := range blocks {
		leaf := merkle.LeafNode(l.roots.Length(), b)
		l.nodes[leaf.Index] = leaf
		l.roots.Append(leaf, func(n merkle.Node) { l.nodes[n.Index] = n })
		l.blocks = append(l.blocks, b)
		l.rootsAt = append(l.rootsAt, l.roots.Nodes())
	}
}

func (l *testLog) length() uint64 { return uint64(len(l.blocks)) }

func (l *testLog) unsigned(length uint64) Head {
	return Head{Fork: l.fork, Length: length, ByteLength: merkle.ByteLength(l.rootsAt[length])}
}

func (l *testLog) head(length uint64) Head {
	h := l.unsigned(length)
	var err error
	tree := merkle.TreeHash(l.rootsAt[length])
	if h.Signature, err = l.auth.Sign(l.secret, keys.Head{Fork: l.fork, Length: length, TreeHash: tree}); err != nil {
		panic(err)
	}
	return h
}

func (l *testLog) Key() keys.Key    { return l.auth.Key() }
func (l *testLog) Manifest() []byte { return l.auth.Manifest() }

func (l *testLog) Head(context.Context) (Head, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.heads) == 0 {
		if l.length() == 0 {
			return Head{}, nil
		}
		return l.head(l.length()), nil
	}
	n := l.heads[0]
	l.heads = l.heads[1:]
	if n == 0 {
		return Head{}, nil
	}
	return l.head(n), nil
}

func (l *testLog) Next(_ context.Context, after Head) (Head, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.heads) == 0 {
		return Head{}, io.EOF
	}
	n := l.heads[0]
	l.heads = l.heads[1:]
	return l.head(n), nil
}

func (l *testLog) Node(_ context.Context, index uint64) (merkle.Node, error) {
	n, ok := l.nodes[index]
	if !ok {
		return n, fmt.Errorf("node %d: %w", index, merkle.ErrNodeMissing)
	}
	return n, nil
}

func (l *testLog) Block(_ context.Context, index uint64) ([]byte, error) {
	if index >= l.length() {
		return nil, errors.New("asked for a block beyond the end")
	}
	if l.missing[index] {
		return nil, ErrBlockMissing
	}
	return l.blocks[index], nil
}

// stream writes a proof stream and expects the error want, or none if it is nil.
func (l *testLog) stream(t testing.TB, opt WriteOptions, want error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(t.Context(), &b, l, opt); !errors.Is(err, want) {
		t.Fatalf("Write(%v) = %v, want %v", opt.Claim, err, want)
	}
	return b.Bytes()
}

// sinkLog checks the order of the calls of a sink, and remembers their arguments.
type sinkLog struct {
	t       testing.TB
	log     *testLog
	core    bool
	heads   []Head
	nodes   []merkle.Node
	blocks  []uint64
	claimed []byte
}

func (s *sinkLog) Core(key keys.Key, manifest []byte) error {
	if s.core || key != s.log.Key() || !bytes.Equal(manifest, s.log.Manifest()) {
		s.t.Errorf("Core(%v, %x) is wrong or comes twice", key, manifest)
	}
	s.core = true
	return nil
}

func (s *sinkLog) Head(h Head, roots []merkle.Node) error {
	if !s.core || !slices.EqualFunc(roots, s.log.rootsAt[h.Length], merkle.Same) {
		s.t.Errorf("Head(%d): wrong roots, or before Core", h.Length)
	}
	h.Signature = bytes.Clone(h.Signature)
	s.heads = append(s.heads, h)
	return nil
}

func (s *sinkLog) Nodes(nodes []merkle.Node) error {
	for _, n := range nodes {
		if len(s.heads) == 0 || !merkle.Same(n, s.log.nodes[n.Index]) {
			s.t.Errorf("node %d is wrong, or before Head", n.Index)
		}
	}
	s.nodes = append(s.nodes, nodes...)
	return nil
}

func (s *sinkLog) Block(index uint64, data []byte, first, end int) error {
	if len(s.heads) == 0 || !bytes.Equal(data, s.log.blocks[index]) {
		s.t.Errorf("block %d is wrong, or before Head", index)
	}
	s.blocks = append(s.blocks, index)
	s.claimed = append(s.claimed, data[first:end]...)
	return nil
}

// verify runs Verify on a stream of the log; its claim is expected unless opt says otherwise.
func (l *testLog) verify(t testing.TB, stream []byte, opt Options, want error) ([]byte, Summary) {
	t.Helper()
	var out bytes.Buffer
	opt.Out = &out
	sink := &sinkLog{t: t, log: l}
	sum, err := Verify(t.Context(), bytes.NewReader(stream), opt, sink)
	if !errors.Is(err, want) {
		t.Fatalf("Verify = %v, want %v\n%s", err, want, abridge(stream))
	}
	if !bytes.Equal(out.Bytes(), sink.claimed) {
		t.Fatalf("Out got %d bytes, the sink %d", out.Len(), len(sink.claimed))
	}
	return out.Bytes(), sum
}

func abridge(stream []byte) []byte {
	if len(stream) > 4000 {
		return stream[:4000]
	}
	return stream
}

// numbered returns n short blocks that differ from each other.
func numbered(n int) [][]byte {
	blocks := make([][]byte, n)
	for i := range blocks {
		blocks[i] = fmt.Appendf(nil, "block %d;", i)
	}
	return blocks
}

// random returns n blocks of random bytes.
func random(n int, size func(i int) int) [][]byte {
	r := rand.NewChaCha8([32]byte{5})
	blocks := make([][]byte, n)
	for i := range blocks {
		blocks[i] = make([]byte, size(i))
		r.Read(blocks[i])
	}
	return blocks
}

func span(blocks [][]byte, first, end uint64) []byte { return bytes.Join(blocks[first:end], nil) }

func ptr[T any](v T) *T { return &v }
