package hyperbee

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A level is a tree node as it is encoded in a block: protobuf of 1 keys and 2 children, both packed numbers. A key
// is the number of the block that holds it; a child is such a number, followed by the node's offset in that block.

// pointer refers to a node: level offset of block seq.
type pointer struct{ seq, offset uint64 }

// node is a tree node without the bytes of its keys. It has no children (a leaf) or one more than keys.
type node struct {
	keyCount   int
	childCount int
	keySeqs    [maxKeys]uint64
	pointers   [maxKeys + 1]pointer
}

func (n *node) keys() []uint64      { return n.keySeqs[:n.keyCount] }
func (n *node) children() []pointer { return n.pointers[:n.childCount] }

// seqs returns the blocks of the node's keys and children.
func (n *node) seqs() []uint64 {
	seqs := append(make([]uint64, 0, 2*maxKeys+1), n.keys()...)
	for _, child := range n.children() {
		seqs = append(seqs, child.seq)
	}
	return seqs
}

func (n *node) leaf() bool { return n.childCount == 0 }

func (n *node) decode(level []byte) error {
	var keys, children []byte
	if err := readFields(level, &keys, &children); err != nil {
		return err
	}
	for len(keys) > 0 {
		if n.keyCount == maxKeys {
			return fmt.Errorf("more than %d keys", maxKeys)
		}
		var err error
		if n.keySeqs[n.keyCount], keys, err = takeVarint(keys); err != nil {
			return err
		}
		n.keyCount++
	}
	for len(children) > 0 {
		if n.childCount > maxKeys {
			return fmt.Errorf("more than %d children", maxKeys+1)
		}
		var p pointer
		var err error
		if p.seq, children, err = takeVarint(children); err != nil {
			return err
		}
		if len(children) == 0 {
			return errors.New("a child without its place in the block")
		}
		if p.offset, children, err = takeVarint(children); err != nil {
			return err
		}
		n.pointers[n.childCount] = p
		n.childCount++
	}
	return nil
}

// check refuses a node that cannot be in block at.seq. Only blocks below the version are reached, and a node is at
// least as young as every block that it points to.
func (n *node) check(at pointer, root bool) error {
	if n.childCount != 0 && n.childCount != n.keyCount+1 {
		return corrupt("block %d: node %d: %d children beside %d keys", at.seq, at.offset, n.childCount, n.keyCount)
	}
	if n.keyCount == 0 && !(root && n.leaf()) {
		return corrupt("block %d: node %d: no keys", at.seq, at.offset)
	}
	for _, seq := range n.keys() {
		if seq == 0 || seq > at.seq {
			return corrupt("block %d: node %d: key in block %d, which is not between block 1 and its own", at.seq, at.offset, seq)
		}
	}
	for _, child := range n.children() {
		if child.seq == 0 || child.seq > at.seq {
			return corrupt("block %d: node %d: child in block %d, which is not between block 1 and its own", at.seq, at.offset, child.seq)
		}
	}
	return nil
}

// encode is the inverse of decode. An empty list is left out.
func (n *node) encode() []byte {
	keys, children := 0, 0
	for _, seq := range n.keys() {
		keys += sizeOfVarint(seq)
	}
	for _, p := range n.children() {
		children += sizeOfVarint(p.seq) + sizeOfVarint(p.offset)
	}
	b := make([]byte, 0, sizeOfField(keys)+sizeOfField(children))
	if keys > 0 {
		b = appendTag(b, 1, keys)
	}
	for _, seq := range n.keys() {
		b = binary.AppendUvarint(b, seq)
	}
	if children > 0 {
		b = appendTag(b, 2, children)
	}
	for _, p := range n.children() {
		b = binary.AppendUvarint(b, p.seq)
		b = binary.AppendUvarint(b, p.offset)
	}
	return b
}
