package hyperbee

import (
	"errors"
	"fmt"
	"slices"
)

// A block is a change, encoded as a protobuf message: 1 index, 2 key, 3 value. A delete has no value. The index is
// protobuf, too: a field 1 for each tree node in the block, its level, see level.go.
type block struct {
	seq    uint64
	index  []byte
	levels []span // of index
	key    []byte
	value  []byte // nil: none
	size   int    // of the whole block in bytes
}

type span struct{ from, to uint32 }

// decodeBlock reads block seq. Its levels are checked when one is reached: in honest blocks some are garbage.
func decodeBlock(seq uint64, data []byte) (*block, error) {
	b := &block{seq: seq, size: len(data)}
	if err := b.decode(data); err != nil {
		return nil, corrupt("block %d: %w", seq, err)
	}
	return b, nil
}

func (b *block) decode(data []byte) error {
	if len(data) > maxBlock {
		return fmt.Errorf("%d bytes are over the limit of %d", len(data), maxBlock)
	}
	if err := readFields(data, &b.index, &b.key, &b.value); err != nil {
		return err
	}
	if b.index == nil {
		return errors.New("it has no index")
	}
	if b.key == nil {
		return errors.New("it has no key")
	}
	f := fields{left: b.index, most: 1}
	for {
		number, level, err := f.next()
		if err != nil || number == 0 {
			return err
		}
		end := len(b.index) - len(f.left)
		b.levels = append(b.levels, span{uint32(end - len(level)), uint32(end)})
	}
}

// node returns the node that a pointer with this offset refers to. Its numbers are not checked.
func (b *block) node(offset uint64) (n node, err error) {
	if offset >= uint64(len(b.levels)) {
		return node{}, corrupt("block %d: node %d of %d", b.seq, offset, len(b.levels))
	}
	at := b.levels[offset]
	if err := n.decode(b.index[at.from:at.to]); err != nil {
		return node{}, corrupt("block %d: node %d: %w", b.seq, offset, err)
	}
	return n, nil
}

// deleted reports whether the block is a delete: it has no value, and its own nodes do not list it.
func (b *block) deleted() (bool, error) {
	if b.value != nil {
		return false, nil
	}
	for offset := range b.levels {
		n, err := b.node(uint64(offset))
		if err != nil {
			return false, err
		}
		if slices.Contains(n.keys(), b.seq) {
			return false, nil
		}
	}
	return true, nil
}

func (b *block) entry() Entry { return Entry{Seq: b.seq, Key: b.key, Value: b.value} }

// encodeBlock is the inverse of decodeBlock. levels are the encoded levels of the index.
func encodeBlock(levels [][]byte, key, value []byte) []byte {
	index := 0
	for _, level := range levels {
		index += sizeOfField(len(level))
	}
	size := sizeOfField(index) + sizeOfField(len(key))
	if value != nil {
		size += sizeOfField(len(value))
	}
	b := appendTag(make([]byte, 0, size), 1, index)
	for _, level := range levels {
		b = appendField(b, 1, level)
	}
	b = appendField(b, 2, key)
	if value != nil {
		b = appendField(b, 3, value)
	}
	return b
}
