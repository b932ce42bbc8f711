package packlog

import (
	"encoding/binary"
	"fmt"
)

// PositionSize is how many bytes AppendPosition writes.
const PositionSize = 24

// maxNumber is above every sequence, generation and offset, so that adding one does not overflow.
const maxNumber = 1 << 62

// Position is a place in the log: a byte offset, a multiple of 8, in one pack. ID is that pack's random id. A position
// with another ID than the pack's newest generation is not current, and is never read. The zero Position is before
// everything.
type Position struct {
	Pack, Offset, ID uint64
}

// Less reports whether p is before q in the log's order. It ignores the ids.
func (p Position) Less(q Position) bool {
	return p.Pack < q.Pack || p.Pack == q.Pack && p.Offset < q.Offset
}

// IsZero reports whether p is the zero Position.
func (p Position) IsZero() bool { return p == Position{} }

// valid reports whether a record can begin or end at p.
func (p Position) valid() bool {
	return p.Pack > 0 && p.Pack < maxNumber && p.ID > 0 && p.Offset >= packHeader && p.Offset < maxNumber && p.Offset%8 == 0
}

func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Pack, p.Offset) }

// AppendPosition appends p as u64le pack, id, offset: 24 bytes.
func AppendPosition(b []byte, p Position) []byte {
	b = binary.LittleEndian.AppendUint64(b, p.Pack)
	b = binary.LittleEndian.AppendUint64(b, p.ID)
	return binary.LittleEndian.AppendUint64(b, p.Offset)
}

// DecodePosition reads what AppendPosition wrote from the first 24 bytes of b, which must be there. It checks nothing.
func DecodePosition(b []byte) Position {
	return Position{
		Pack:   binary.LittleEndian.Uint64(b),
		ID:     binary.LittleEndian.Uint64(b[8:]),
		Offset: binary.LittleEndian.Uint64(b[16:]),
	}
}

func later(p, q Position) Position {
	if p.Less(q) {
		return q
	}
	return p
}
