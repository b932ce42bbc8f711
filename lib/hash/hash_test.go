package hash

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

type rootVector struct {
	Index, Size uint64
	Hash        string
}

type cryptoVectors struct {
	Leaf   []struct{ Data, Hash string }
	Parent []struct{ Left, Right, Parent rootVector }
	Tree   []struct {
		Roots []rootVector
		Hash  string
	}
	Namespaces map[string]struct {
		Name string
		Byte byte
		Hash string
	}
	Capability struct{ HandshakeHash, Key, Initiator, Responder string }
	KeyPairs   []struct{ PublicKey, DiscoveryKeyOfPublicKey string }
}

func loadCrypto(t *testing.T) (v cryptoVectors) {
	t.Helper()
	data, err := os.ReadFile("../../tests/vectors/crypto.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Leaf) == 0 || len(v.Parent) == 0 || len(v.Tree) == 0 || len(v.Namespaces) == 0 || len(v.KeyPairs) == 0 {
		t.Fatal("crypto.json has no cases")
	}
	return v
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func digest(t testing.TB, s string) Digest {
	t.Helper()
	return Digest(unhex(t, s))
}

func TestVectors(t *testing.T) {
	v := loadCrypto(t)
	for _, c := range v.Leaf {
		if got := Leaf(unhex(t, c.Data)).String(); got != c.Hash {
			t.Errorf("Leaf(%s) = %s, want %s", c.Data, got, c.Hash)
		}
	}
	for _, c := range v.Parent {
		got := Parent(c.Left.Size+c.Right.Size, digest(t, c.Left.Hash), digest(t, c.Right.Hash)).String()
		if got != c.Parent.Hash {
			t.Errorf("Parent(%v, %v) = %s, want %s", c.Left, c.Right, got, c.Parent.Hash)
		}
	}
	for _, c := range v.Tree {
		var roots []Root
		for _, r := range c.Roots {
			roots = append(roots, Root{Index: r.Index, Size: r.Size, Hash: digest(t, r.Hash)})
		}
		if got := Tree(roots).String(); got != c.Hash {
			t.Errorf("Tree(%v) = %s, want %s", c.Roots, got, c.Hash)
		}
	}
	for name, c := range v.Namespaces {
		if got := Namespace(c.Name, c.Byte).String(); got != c.Hash {
			t.Errorf("%s: Namespace(%q, %d) = %s, want %s", name, c.Name, c.Byte, got, c.Hash)
		}
	}
	for _, c := range v.KeyPairs {
		if got := Keyed(unhex(t, c.PublicKey), []byte("hyper"), []byte("core")).String(); got != c.DiscoveryKeyOfPublicKey {
			t.Errorf("Keyed(%s, hypercore) = %s, want %s", c.PublicKey, got, c.DiscoveryKeyOfPublicKey)
		}
	}
	initiator := Namespace("hypercore", 1)
	c := v.Capability
	if got := Keyed(unhex(t, c.HandshakeHash), initiator[:], unhex(t, c.Key)).String(); got != c.Initiator {
		t.Errorf("capability = %s, want %s", got, c.Initiator)
	}
}

// TestLeafAnyLength compares the two ways in which a leaf is hashed, around the length where they meet.
func TestLeafAnyLength(t *testing.T) {
	var blocks [][]byte
	for _, n := range []int{0, 1, 8, 63, 118, 119, 120, 245, 246, 247, 248, 249, 256, 257, 4096, 1 << 16} {
		blocks = append(blocks, bytes.Repeat([]byte{byte(n)}, n))
	}
	many := make([]Digest, len(blocks))
	Leaves(many, blocks)
	for i, b := range blocks {
		head := []byte{0, byte(len(b)), byte(len(b) >> 8), byte(len(b) >> 16), 0, 0, 0, 0, 0}
		want := Sum(head, b)
		if got := Leaf(b); got != want {
			t.Errorf("Leaf of %d bytes = %v, want %v", len(b), got, want)
		}
		if many[i] != want {
			t.Errorf("Leaves[%d] of %d bytes = %v, want %v", i, len(b), many[i], want)
		}
	}
}

func TestSHA256(t *testing.T) {
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, "abc"
	h := NewSHA256()
	h.Write([]byte("abc"))
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("NewSHA256 of abc = %s, want %s", got, want)
	}
}

func TestNoAllocation(t *testing.T) {
	small, large := make([]byte, 100), make([]byte, 1<<16)
	var d Digest
	if n := testing.AllocsPerRun(100, func() { d = Parent(1, d, Leaf(small)) }); n != 0 {
		t.Errorf("small Leaf and Parent allocate %v times", n)
	}
	blocks := [][]byte{large, small, large, small, small, large[:1000]}
	dst := make([]Digest, len(blocks))
	if n := testing.AllocsPerRun(100, func() { Leaves(dst, blocks) }); n > 0.5 {
		t.Errorf("Leaves allocates %v times", n)
	}
	sizes := make([]uint64, len(dst)/2)
	if n := testing.AllocsPerRun(100, func() { Parents(dst, sizes, dst) }); n > 0.5 {
		t.Errorf("Parents allocates %v times", n)
	}
}
