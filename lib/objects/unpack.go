package objects

import (
	"bytes"
	"fmt"

	"hc/lib/lent"
	"hc/lib/zstdframe"
)

// Unpacker unpacks the blocks of an answer. Its zero value refuses deltas and maps, and gives each piece memory of its own.
type Unpacker struct {
	Lender Lender       // gives the bases of deltas, and the lengths for maps; nil: both are refused
	Own    *lent.Memory // memory of the message: blocks that are not compressed stay there. nil: they are copied,
	Copied bool         // unless the payloads are copies already
	Pool   *lent.Pool   // lends memory for compressed blocks; nil: they get memory of their own
}

// A piece is worth a hold for each of its blocks if it has leastLent bytes, and its blocks leastHeld on average. A compressed
// one of more than mostLent is rare, and would leave memory that few others need.
const (
	mostLent  = 512 << 10
	leastLent = 32 << 10
	leastHeld = 4 << 10
)

// Unpack returns the blocks; those of a piece are contiguous in memory. The payload of a piece that is not compressed refers to
// them from then on. Deltas and maps are refused.
func (m Blocks) Unpack() ([][]byte, error) { return m.UnpackWith(nil) }

// UnpackWith is Unpack for the answer to AskDeltas, for a reader that lends its blocks.
func (m Blocks) UnpackWith(lender Lender) ([][]byte, error) {
	blocks, _, err := Unpacker{Lender: lender}.Unpack(m)
	return blocks, err
}

// Unpack returns the blocks, and for each the memory it lies in, with a hold that the caller releases. The memory is nil for
// blocks that have memory of their own.
func (u Unpacker) Unpack(m Blocks) (blocks [][]byte, memory []*lent.Memory, err error) {
	_, count := m.Size()
	blocks, memory = make([][]byte, 0, count), make([]*lent.Memory, 0, count)
	for i := range m.Pieces {
		p := &m.Pieces[i]
		data, from, err := u.bytes(p)
		if err == nil {
			blocks, err = p.take(blocks, data)
		}
		for len(memory) < len(blocks) {
			from.Hold()
			memory = append(memory, from)
		}
		from.Release()
		if err != nil {
			release(memory)
			return nil, nil, err
		}
	}
	return blocks, memory, nil
}

// take appends the blocks of a piece, whose bytes are data.
func (p *Piece) take(blocks [][]byte, data []byte) ([][]byte, error) {
	if p.plain() {
		p.Payload = data
	}
	all, ok := p.split(blocks, data)
	if !ok {
		return blocks, fmt.Errorf("%w: blocks: a piece that is not %d lines", ErrMessage, p.Count)
	}
	return all, nil
}

func release(memory []*lent.Memory) {
	for _, m := range memory {
		m.Release()
	}
}

// bytes returns the bytes of a piece's blocks, and a hold on the memory they lie in. Blocks that are not compressed and cannot
// stay where they are are cloned: unlike a slice from make, a clone is not set to zeros first.
func (u Unpacker) bytes(p *Piece) (data []byte, memory *lent.Memory, err error) {
	switch {
	case p.Zstd:
		data, memory = u.room(p)
		return data, memory, p.unpack(data)
	case p.plain() && u.Own != nil && p.worthHolding():
		u.Own.Hold()
		return p.Payload, u.Own, nil
	case p.plain() && u.Copied:
		return p.Payload, nil, nil
	case p.plain():
		return bytes.Clone(p.Payload), nil, nil
	case u.Lender == nil:
		return nil, nil, fmt.Errorf("%w: blocks: a delta or a map that was not asked for", ErrMessage)
	case p.Map:
		data, err = p.unpackMap(u.Lender)
		return data, nil, err
	}
	from, err := u.Lender.Base(p.Base)
	if err != nil {
		return nil, nil, err
	}
	data = make([]byte, p.Raw, p.Raw+zstdframe.Slack)
	return data, nil, p.unpackDelta(data, from)
}

// worthHolding reports whether the blocks of a piece may be held one by one where they lie.
func (p *Piece) worthHolding() bool { return p.Raw >= leastLent && p.Raw/p.Count >= leastHeld }

// room returns memory for a piece's blocks, with room after them for the decoder.
func (u Unpacker) room(p *Piece) ([]byte, *lent.Memory) {
	if u.Pool.Full() || !p.worthHolding() || p.Raw > mostLent {
		return make([]byte, p.Raw, p.Raw+zstdframe.Slack), nil
	}
	memory := u.Pool.Take(zstdframe.Room(p.Raw))
	return memory.Bytes()[:p.Raw:zstdframe.Room(p.Raw)], memory
}
