// Package hash computes the digests of Hypercore's tree: of blocks, of pairs of nodes, of namespaces.
//
// Start with [Leaf] and [Parent]. For many blocks or nodes at once use [Leaves] and [Parents], which take a third of
// the time or less. All digests are BLAKE2b with 32 bytes of output; SHA-256 is here only for digests that people
// compare with other tools. Every function is safe for concurrent use and keeps no reference to its input.
package hash

import (
	"encoding/binary"
	"encoding/hex"
	"hash"
	"sync"

	"golang.org/x/crypto/blake2b"
)

// Size is the length of a [Digest] in bytes.
const Size = 32

// The first byte of the hashed message tells leaves, parents and roots apart. Source: hypercore-crypto.
const (
	typeLeaf   = 0
	typeParent = 1
	typeRoot   = 2
)

// headSize is the length of the head before a block or before two hashes: type, u64le(size).
const headSize = 1 + 8

// Digest is a BLAKE2b-256 digest.
type Digest [Size]byte

// String returns the digest as 64 lower-case hex digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// state is a BLAKE2b-256 state with room for input and output: passed to an interface, both would be allocated each
// time.
type state struct {
	hash.Hash
	stage [32 * blockSize]byte // a message's head, or a short one
	out   Digest
}

var states = sync.Pool{New: func() any {
	h, err := blake2b.New256(nil)
	if err != nil {
		panic("hash: internal error: " + err.Error())
	}
	return &state{Hash: h}
}}

// Leaf returns BLAKE2b-256(0x00 ‖ u64le(length) ‖ block), the name of a block.
// Source: hypercore-crypto, data; vectors: crypto.json.
func Leaf(block []byte) (d Digest) {
	d.setLeaf(block)
	return d
}

// Leaves sets dst[i] to the [Leaf] of blocks[i], for many blocks at once. dst must be at least as long as blocks.
func Leaves(dst []Digest, blocks [][]byte) {
	dst = dst[:len(blocks)]
	if len(blocks) == 1 || len(kernels) == 0 {
		for i, b := range blocks {
			dst[i].setLeaf(b)
		}
		return
	}
	l := lanePool.Get().(*lanes)
	l.leaves(dst, blocks)
	lanePool.Put(l)
}

// setLeaf sets d to a block's leaf. Up to some size it is cheaper to copy a block after its head than to continue
// after the head, which is not a whole word; and for a few bytes the stack is faster than getting a buffer.
func (d *Digest) setLeaf(block []byte) {
	switch n := headSize + len(block); {
	case n <= blockSize:
		var message [blockSize]byte
		*d = blake2b.Sum256(withHead(message[:], block))
	case n <= 2*blockSize:
		var message [2 * blockSize]byte
		*d = blake2b.Sum256(withHead(message[:], block))
	default:
		s := states.Get().(*state)
		s.leaf(d, block)
		states.Put(s)
	}
}

// withHead puts the head and as much of the block as fits into message, and returns the filled part.
func withHead(message, block []byte) []byte {
	message[0] = typeLeaf
	binary.LittleEndian.PutUint64(message[1:], uint64(len(block)))
	return message[:headSize+copy(message[headSize:], block)]
}

func (s *state) leaf(d *Digest, block []byte) {
	if headSize+len(block) <= len(s.stage) {
		*d = blake2b.Sum256(withHead(s.stage[:], block))
		return
	}
	s.Reset()
	s.Write(withHead(s.stage[:headSize], block))
	s.Write(block)
	s.Sum(s.out[:0])
	*d = s.out
}

// Parent returns BLAKE2b-256(0x01 ‖ u64le(size) ‖ left ‖ right), the hash of the node over both. size is the number
// of bytes below it; left has the lower flat-tree index. Source: hypercore-crypto, parent; vectors: crypto.json.
func Parent(size uint64, left, right Digest) Digest {
	var b [headSize + 2*Size]byte
	b[0] = typeParent
	binary.LittleEndian.PutUint64(b[1:], size)
	copy(b[headSize:], left[:])
	copy(b[headSize+Size:], right[:])
	return blake2b.Sum256(b[:])
}

// Parents sets dst[i] to the [Parent] of children[2i] and children[2i+1], with sizes[i], for many nodes at once: one
// level of a tree from the level below it. children must be twice as long as sizes, dst at least as long as sizes;
// dst may start where children does.
func Parents(dst []Digest, sizes []uint64, children []Digest) {
	dst, children = dst[:len(sizes)], children[:2*len(sizes)]
	if len(kernels) > 0 && len(sizes) > 1 {
		l := lanePool.Get().(*lanes)
		l.parents(dst, sizes, children)
		lanePool.Put(l)
		return
	}
	for i, size := range sizes {
		dst[i] = Parent(size, children[2*i], children[2*i+1])
	}
}

// Root is one of the full roots that a [Tree] hash covers.
type Root struct {
	Index uint64 // flat-tree number
	Size  uint64 // bytes below it
	Hash  Digest
}

// Tree returns BLAKE2b-256(0x02 ‖ hash ‖ u64le(index) ‖ u64le(size) ‖ …), over all full roots from left to right. The
// hash comes first. Source: hypercore-crypto, tree; vectors: crypto.json.
func Tree(roots []Root) Digest {
	var stack [1 + 24*(Size+16)]byte // enough for a log of 16 M blocks; a larger one is allocated
	b := append(stack[:0], typeRoot)
	for _, r := range roots {
		b = append(b, r.Hash[:]...)
		b = binary.LittleEndian.AppendUint64(b, r.Index)
		b = binary.LittleEndian.AppendUint64(b, r.Size)
	}
	return blake2b.Sum256(b)
}

// Sum returns the BLAKE2b-256 of the concatenated parts.
func Sum(parts ...[]byte) Digest {
	s := states.Get().(*state)
	s.Reset()
	for _, p := range parts {
		s.Write(p)
	}
	s.Sum(s.out[:0])
	d := s.out
	states.Put(s)
	return d
}

// Keyed returns the BLAKE2b-256 of the parts under a key of at most 64 bytes. A longer key panics.
func Keyed(key []byte, parts ...[]byte) (d Digest) {
	s, err := blake2b.New256(key)
	if err != nil {
		panic("hash: internal error: " + err.Error())
	}
	for _, p := range parts {
		s.Write(p)
	}
	s.Sum(d[:0])
	return d
}

// Namespace returns BLAKE2b-256(BLAKE2b-256(name) ‖ i), the i-th constant of a protocol, which separates one use of a
// key from another. Source: hypercore-crypto, namespace; vectors: crypto.json.
func Namespace(name string, i byte) Digest {
	n := blake2b.Sum256([]byte(name))
	return Sum(n[:], []byte{i})
}
