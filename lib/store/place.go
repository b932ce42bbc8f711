package store

import (
	"encoding/binary"
	"math/bits"

	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
	"hc/lib/store/runs"
	"hc/lib/store/table"
)

// place is where a block is.
type place = runs.Place

const placeSize = 20

// The schemas of derived tables; see FORMAT.md.
var (
	indexSchema  = table.Schema{Magic: [4]byte{'h', 'c', 'i', 'x'}, KeySize: hash.Size, ValueSize: placeSize}
	treeSchema   = table.Schema{Magic: [4]byte{'h', 'c', 't', 'r'}, KeySize: 8, ValueSize: 8 + hash.Size}
	runsSchema   = table.Schema{Magic: [4]byte{'h', 'c', 'r', 'n'}, KeySize: 8, ValueSize: 8 + placeSize}
	rangesSchema = table.Schema{Magic: [4]byte{'h', 'c', 'r', 'g'}, KeySize: 8, ValueSize: 8}
)

func appendPlace(b []byte, p place) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(p.Run.Pack))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Run.Offset/8))
	b = binary.BigEndian.AppendUint64(b, p.Run.ID)
	return binary.BigEndian.AppendUint32(b, p.At)
}

// decodePlace reads the first placeSize bytes of b, which must be there.
func decodePlace(b []byte) place {
	return place{
		Run: packlog.Position{
			Pack:   uint64(binary.BigEndian.Uint32(b)),
			Offset: uint64(binary.BigEndian.Uint32(b[4:])) * 8,
			ID:     binary.BigEndian.Uint64(b[8:]),
		},
		At: binary.BigEndian.Uint32(b[16:]),
	}
}

func blockKey(block uint64) []byte { return binary.BigEndian.AppendUint64(nil, block) }

// postOrder numbers the nodes of a flat tree in the order in which a growing log completes them: behind a leaf come the
// parents that it completes. It has no holes, and never changes.
func postOrder(index uint64) uint64 {
	last := merkle.LastBlock(index)
	return 2*last - uint64(bits.OnesCount64(last)) + uint64(merkle.Depth(index))
}

// postOrderOf returns how many nodes a log of length blocks has: those with lower numbers.
func postOrderOf(length uint64) uint64 {
	return 2*length - uint64(bits.OnesCount64(length))
}

const hintBit = 1 << 63 // of a node's size in a tree table

func appendTreeValue(b []byte, n merkle.Node) []byte {
	size := n.Size
	if n.Hint {
		size |= hintBit
	}
	b = binary.BigEndian.AppendUint64(b, size)
	return append(b, n.Hash[:]...)
}

// decodeTreeValue reads a value of a tree table, which has its length.
func decodeTreeValue(index uint64, b []byte) merkle.Node {
	size := binary.BigEndian.Uint64(b)
	return merkle.Node{Index: index, Size: size &^ hintBit, Hint: size&hintBit != 0, Hash: hash.Digest(b[8:])}
}
