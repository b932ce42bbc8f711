package treetable

import (
	"encoding/binary"
	"math/bits"
	"sort"

	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/table"
)

// Schema is the schema of a tree's tables, which map post-order numbers to sizes and hashes. See "tree" in
// lib/store/derived/FORMAT.md.
var Schema = table.Schema{Magic: [4]byte{'h', 'c', 't', 'r'}, KeySize: 8, ValueSize: 8 + hash.Size}

// Number returns the post-order number of a node, given its index in the flat tree. It numbers nodes in the order in
// which a growing log completes them: a leaf is followed by the parents that it completes. It has no holes, and never
// changes.
func Number(index uint64) uint64 {
	last := merkle.LastBlock(index)
	return 2*last - uint64(bits.OnesCount64(last)) + uint64(merkle.Depth(index))
}

// Count returns how many nodes a log of length blocks has; their numbers are all those below it.
func Count(length uint64) uint64 {
	return 2*length - uint64(bits.OnesCount64(length))
}

// Index returns the flat-tree index of the node with that post-order number.
func Index(number uint64) uint64 {
	// The last block below the node is the highest that has no more nodes before its own than number; popcount is below
	// 64.
	first := number / 2
	last := first + uint64(sort.Search(64, func(i int) bool {
		block := first + uint64(i) + 1
		return 2*block-uint64(bits.OnesCount64(block)) > number
	}))
	depth := number - (2*last - uint64(bits.OnesCount64(last)))
	return merkle.Index(int(depth), (last+1)>>depth-1)
}

const hintBit = 1 << 63 // of a node's size in a tree table

// AppendValue appends a node's value in a tree table, Schema.ValueSize bytes.
func AppendValue(b []byte, n merkle.Node) []byte {
	size := n.Size
	if n.Hint {
		size |= hintBit
	}
	b = binary.BigEndian.AppendUint64(b, size)
	return append(b, n.Hash[:]...)
}

// DecodeValue returns the node at a flat-tree index from its value in a tree table, which has Schema.ValueSize bytes.
func DecodeValue(index uint64, b []byte) merkle.Node {
	size := binary.BigEndian.Uint64(b)
	return merkle.Node{Index: index, Size: size &^ hintBit, Hint: size&hintBit != 0, Hash: hash.Digest(b[8:])}
}

// add adds a node to a table, after those with lower numbers.
func add(w *table.Writer, n merkle.Node) error {
	var key [8]byte
	var value [40]byte
	binary.BigEndian.PutUint64(key[:], Number(n.Index))
	return w.Add(key[:], AppendValue(value[:0], n))
}
