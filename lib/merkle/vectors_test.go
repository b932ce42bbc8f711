package merkle_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// nodeVector is a node in the vector files.
type nodeVector struct {
	Index, Size uint64
	Hash        string
}

func (v nodeVector) node(t testing.TB) merkle.Node {
	return merkle.Node{Index: v.Index, Size: v.Size, Hash: hash.Digest(unhex(t, v.Hash))}
}

func toNodes(t testing.TB, list []nodeVector) []merkle.Node {
	var nodes []merkle.Node
	for _, v := range list {
		nodes = append(nodes, v.node(t))
	}
	return nodes
}

func load(t testing.TB, file string, into any) {
	t.Helper()
	data, err := os.ReadFile("../../tests/vectors/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// table is a NodeSource in memory.
type table map[uint64]merkle.Node

func (s table) Node(_ context.Context, index uint64) (merkle.Node, error) {
	n, ok := s[index]
	if !ok {
		return merkle.Node{}, merkle.ErrNodeMissing
	}
	return n, nil
}

func (s table) put(nodes ...merkle.Node) {
	for _, n := range nodes {
		s[n.Index] = n
	}
}

func (s table) have(index uint64) bool {
	_, ok := s[index]
	return ok
}

func (s table) roots(length uint64) []merkle.Node {
	var roots []merkle.Node
	for _, n := range merkle.FullRoots(length) {
		roots = append(roots, s[n])
	}
	return roots
}

// vectorBlock is block i of the cores in cores.json and proofs.json.
func vectorBlock(i uint64) []byte {
	return []byte(strings.Repeat(fmt.Sprintf("block-%d;", i), int(i%4)))
}

// log is a whole log with its key.
type log struct {
	blocks [][]byte
	nodes  table
	auth   *keys.Auth
	secret keys.Secret
	heads  map[uint64]merkle.HeadInfo // signed already, by length
}

// makeLog makes a version 1 core of these blocks, with seed 01 × 32.
func makeLog(t testing.TB, blocks [][]byte) *log {
	t.Helper()
	secret := keys.SecretFromSeed([32]byte(unhex(t, strings.Repeat("01", 32))))
	manifest := keys.DefaultManifest(secret.Public())
	auth, err := keys.NewAuth(manifest.Key(), manifest.Encode())
	if err != nil {
		t.Fatal(err)
	}
	l := &log{nodes: table{}, auth: auth, secret: secret, heads: map[uint64]merkle.HeadInfo{}}
	roots, err := merkle.NewRoots(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range blocks {
		leaf := merkle.LeafNode(uint64(i), b)
		l.nodes.put(leaf)
		roots.Append(leaf, func(n merkle.Node) { l.nodes.put(n) })
	}
	l.blocks = blocks
	return l
}

func vectorLog(t testing.TB, length uint64) *log {
	var blocks [][]byte
	for i := range length {
		blocks = append(blocks, vectorBlock(i))
	}
	return makeLog(t, blocks)
}

// head signs the log's first length blocks.
func (l *log) head(t testing.TB, length uint64) merkle.HeadInfo {
	t.Helper()
	if head, ok := l.heads[length]; ok {
		return head
	}
	field, err := l.auth.Sign(l.secret, keys.Head{Length: length, TreeHash: merkle.TreeHash(l.nodes.roots(length))})
	if err != nil {
		t.Fatal(err)
	}
	l.heads[length] = merkle.HeadInfo{Length: length, Signature: field}
	return l.heads[length]
}

func (l *log) check(length, fork uint64, treeHash hash.Digest, signature []byte) error {
	return l.auth.Verify(keys.Head{Fork: fork, Length: length, TreeHash: treeHash}, signature)
}

// state is what a reader of the log's first length blocks holds besides nodes.
func (l *log) state(length uint64) merkle.State {
	return merkle.State{Length: length, Roots: l.nodes.roots(length)}
}

// prove answers a request from the log's first length blocks, block value included.
func (l *log) prove(t testing.TB, r merkle.Request, length uint64) *merkle.Proof {
	t.Helper()
	p, err := merkle.Prove(context.Background(), r, l.head(t, length), l.nodes)
	if err != nil {
		t.Fatal(err)
	}
	if p.Block != nil {
		p.Block.Value = l.blocks[p.Block.Index]
	}
	return p
}

func TestHeadVectors(t *testing.T) {
	var v struct {
		Cores []struct {
			Kind  string
			Heads []struct {
				Length, ByteLength uint64
				Roots              []nodeVector
				TreeHash           string
			}
		}
	}
	load(t, "cores.json", &v)
	l := vectorLog(t, 1000)
	checked := 0
	for _, core := range v.Cores {
		for _, h := range core.Heads {
			want := toNodes(t, h.Roots)
			roots, err := merkle.NewRoots(h.Length, want)
			if err != nil {
				t.Errorf("%s, length %d: %v", core.Kind, h.Length, err)
				continue
			}
			got := l.nodes.roots(h.Length)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s, length %d: roots %v, want %v", core.Kind, h.Length, got, want)
			}
			if roots.TreeHash().String() != h.TreeHash || roots.ByteLength() != h.ByteLength || roots.Length() != h.Length {
				t.Errorf("%s, length %d: tree hash %v, %d bytes", core.Kind, h.Length, roots.TreeHash(), roots.ByteLength())
			}
			checked++
		}
	}
	if checked == 0 {
		t.Fatal("cores.json has no heads")
	}
}

func TestFlatTreeVectors(t *testing.T) {
	var v struct {
		FlatTree struct {
			FullRoots []struct {
				Length uint64
				Roots  []uint64
			}
			Family []struct {
				Index, Offset, Parent, Sibling uint64
				Depth                          int
				Children                       []uint64
				Spans                          [2]uint64
			}
		}
	}
	load(t, "crypto.json", &v)
	if len(v.FlatTree.FullRoots) == 0 || len(v.FlatTree.Family) == 0 {
		t.Fatal("crypto.json has no cases")
	}
	for _, c := range v.FlatTree.FullRoots {
		if got := merkle.FullRoots(c.Length); fmt.Sprint(got) != fmt.Sprint(c.Roots) {
			t.Errorf("FullRoots(%d) = %v, want %v", c.Length, got, c.Roots)
		}
	}
	for _, c := range v.FlatTree.Family {
		n := c.Index
		if merkle.Depth(n) != c.Depth || merkle.Index(c.Depth, c.Offset) != n ||
			merkle.Parent(n) != c.Parent || merkle.Sibling(n) != c.Sibling {
			t.Errorf("node %d: depth %d, parent %d, sibling %d; want %+v",
				n, merkle.Depth(n), merkle.Parent(n), merkle.Sibling(n), c)
		}
		l, r, ok := merkle.Children(n)
		if ok != (c.Children != nil) || ok && (l != c.Children[0] || r != c.Children[1]) {
			t.Errorf("Children(%d) = %d, %d, %v, want %v", n, l, r, ok, c.Children)
		}
		if merkle.LeftSpan(n) != c.Spans[0] || merkle.RightSpan(n) != c.Spans[1] {
			t.Errorf("spans of %d = %d, %d, want %v", n, merkle.LeftSpan(n), merkle.RightSpan(n), c.Spans)
		}
		if 2*merkle.FirstBlock(n) != c.Spans[0] || 2*merkle.LastBlock(n) != c.Spans[1] ||
			merkle.Leaves(n) != (c.Spans[1]-c.Spans[0])/2+1 {
			t.Errorf("blocks of %d = %d … %d, %d of them", n, merkle.FirstBlock(n), merkle.LastBlock(n), merkle.Leaves(n))
		}
		if !merkle.Contains(n, c.Spans[0]) || !merkle.Contains(n, c.Spans[1]) || merkle.Contains(n, c.Spans[1]+1) ||
			n > 0 && c.Spans[0] > 0 && merkle.Contains(n, c.Spans[0]-1) {
			t.Errorf("Contains(%d, …) is not %v", n, c.Spans)
		}
	}
}

func TestNodesForVectors(t *testing.T) {
	var v struct {
		NodesWithoutAnyBlock []struct {
			Length        uint64
			NodesForBlock []uint64
		}
	}
	load(t, "proofs.json", &v)
	if len(v.NodesWithoutAnyBlock) == 0 {
		t.Fatal("proofs.json has no cases")
	}
	for _, c := range v.NodesWithoutAnyBlock {
		roots := table{}
		for _, n := range merkle.FullRoots(c.Length) {
			roots.put(merkle.Node{Index: n})
		}
		for b, want := range c.NodesForBlock {
			if got := merkle.NodesFor(2*uint64(b), c.Length, roots.have); got != want {
				t.Errorf("NodesFor(%d, %d) = %d, want %d", 2*b, c.Length, got, want)
			}
		}
		if got := merkle.NodesFor(2*c.Length, c.Length, roots.have); got != 0 {
			t.Errorf("NodesFor(%d, %d) = %d beyond the end", 2*c.Length, c.Length, got)
		}
	}
}
