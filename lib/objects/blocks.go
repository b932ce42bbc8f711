package objects

import (
	"bytes"
	"fmt"

	"hc/lib/compact"
	"hc/lib/merkle"
)

// Bits of a piece's kind.
const (
	kindZstd = 1 << iota
	kindLines
	kindDelta
	kindMap
)

// Piece is neighbouring blocks of an answer, in the form they travel in.
type Piece struct {
	Zstd, Lines bool
	Delta       bool     // one block as a delta, in one frame
	Base        uint64   // with Delta, the block of the same core that it is a delta against
	Map         bool     // one block as a map
	Count, Raw  int      // blocks, and bytes of them
	Lengths     []uint32 // nil for lines
	Payload     []byte
}

// Blocks is the answer with blocks: the first ones of those asked for, in order.
type Blocks struct {
	ID     uint64
	Nodes  []merkle.Node
	Pieces []Piece
}

// tailZeros is how many zeros a message may end with: a writer may want its length to be a multiple of 8.
const tailZeros = 7

// Head returns the message's body up to the payloads of its pieces, which follow in order.
func (m Blocks) Head() []byte {
	b := appendNodes(compact.AppendUint(nil, m.ID), m.Nodes)
	b = compact.AppendUint(b, uint64(len(m.Pieces)))
	for _, p := range m.Pieces {
		b = p.append(b)
	}
	return b
}

func (p Piece) append(b []byte) []byte {
	kind := byte(0)
	if p.Zstd {
		kind |= kindZstd
	}
	if p.Lines {
		kind |= kindLines
	}
	if p.Delta {
		kind = kindDelta
	}
	if p.Map {
		kind = kindMap
	}
	b = compact.AppendUint(append(b, kind), uint64(p.Count))
	b = compact.AppendUint(b, uint64(p.Raw))
	if p.Delta {
		b = compact.AppendUint(b, p.Base)
	}
	if !p.Lines && p.Count > 1 {
		for _, n := range p.Lengths {
			b = compact.AppendUint(b, uint64(n))
		}
	}
	return compact.AppendUint(b, uint64(len(p.Payload)))
}

// DecodeBlocks reads the message's body, which the payloads alias.
func DecodeBlocks(b []byte) (Blocks, error) {
	d := compact.NewDecoder(b)
	m := Blocks{ID: d.Uint(), Nodes: decodeNodes(d, MaxNodes)}
	count := d.ArrayLen(4, MaxPieces)
	if count == 0 {
		d.Fail("no piece")
	}
	blocks, raw, mapped := 0, 0, 0
	sizes := make([]int, 0, count)
	for range count {
		p, payload := decodePiece(d)
		blocks, raw = blocks+p.Count, raw+p.Raw
		if p.Map {
			mapped += p.Raw
		}
		if blocks > MaxBlocks || mapped > MaxMap || raw > MaxBlock || blocks > 1 && raw > MaxRaw {
			d.Fail("%d blocks of %d bytes", blocks, raw)
		}
		if d.Err() != nil {
			return m, finish("blocks", d)
		}
		m.Pieces, sizes = append(m.Pieces, p), append(sizes, payload)
	}
	if d.Err() != nil {
		return m, finish("blocks", d)
	}
	rest := d.Rest()
	for i := range m.Pieces {
		if sizes[i] > len(rest) {
			return m, fmt.Errorf("%w: blocks: a payload of %d bytes, but %d are left", ErrMessage, sizes[i], len(rest))
		}
		m.Pieces[i].Payload, rest = rest[:sizes[i]], rest[sizes[i]:]
	}
	if len(rest) > tailZeros || len(bytes.Trim(rest, "\x00")) > 0 {
		return m, fmt.Errorf("%w: blocks: %d bytes after it", ErrMessage, len(rest))
	}
	return m, nil
}

// decodePiece reads a piece, and how many bytes its payload has.
func decodePiece(d *compact.Decoder) (p Piece, payload int) {
	kind, count, raw := d.Uint(), d.Uint(), d.Uint()
	p.Zstd, p.Lines, p.Delta, p.Map = kind&kindZstd != 0, kind&kindLines != 0, kind == kindDelta, kind == kindMap
	if kind > kindDelta && !p.Map || (p.Delta || p.Map) && count != 1 || count == 0 || count > MaxBlocks || raw > MaxBlock || p.Lines && raw < count {
		d.Fail("a piece of kind %d with %d blocks of %d bytes", kind, count, raw)
		return p, 0
	}
	p.Count, p.Raw = int(count), int(raw)
	if p.Delta {
		if p.Base = d.Uint(); p.Base >= merkle.MaxLength {
			d.Fail("a base %d", p.Base)
		}
	}
	switch {
	case p.Lines:
	case p.Count == 1:
		p.Lengths = []uint32{uint32(raw)}
	case p.Count > d.Left():
		d.Fail("%d lengths in %d bytes", p.Count, d.Left())
		return p, 0
	default:
		p.readLengths(d)
	}
	size, smaller := d.Uint(), !p.plain()
	if size > raw || smaller && size == raw || !smaller && size != raw {
		d.Fail("a payload of %d bytes for %d", size, raw)
		return p, 0
	}
	return p, int(size)
}

func (p *Piece) readLengths(d *compact.Decoder) {
	p.Lengths = make([]uint32, p.Count)
	sum := uint64(0)
	for i := range p.Lengths {
		n := d.Uint()
		if sum += min(n, MaxBlock+1); sum > uint64(p.Raw) {
			break
		}
		p.Lengths[i] = uint32(n)
	}
	if sum != uint64(p.Raw) {
		d.Fail("lengths that do not add up to %d", p.Raw)
	}
}

// plain reports whether the payload is the blocks' own bytes.
func (p Piece) plain() bool { return !p.Zstd && !p.Delta && !p.Map }

// Size returns how many bytes, and blocks, the pieces have.
func (m Blocks) Size() (raw, blocks int) {
	for _, p := range m.Pieces {
		raw, blocks = raw+p.Raw, blocks+p.Count
	}
	return raw, blocks
}

// Lender gives access to the blocks that a reader said it holds. Its errors are wrapped.
type Lender interface {
	Base(block uint64) ([]byte, error) // the base of a delta
	Held() []Span                      // the blocks that the reader said it holds
	Length(block uint64) (int, error)  // of one of them, in bytes
}

// split appends the blocks of a piece.
func (p Piece) split(blocks [][]byte, data []byte) ([][]byte, bool) {
	for i := range p.Count {
		n := 0
		if p.Lines {
			if n = bytes.IndexByte(data, '\n') + 1; n == 0 && i == p.Count-1 {
				n = len(data)
			}
			if n == 0 {
				return nil, false
			}
		} else {
			n = int(p.Lengths[i])
		}
		blocks = append(blocks, data[:n:n])
		data = data[n:]
	}
	return blocks, len(data) == 0
}

// Pack appends the payload of a piece of neighbouring blocks to b, and returns the piece and the extended b. The payload is a
// copy of their bytes; with try it is compressed if that saves enough.
func Pack(b []byte, blocks [][]byte, try bool) (Piece, []byte) {
	p := Piece{Count: len(blocks), Lines: len(blocks) > 1}
	for i, block := range blocks {
		p.Raw += len(block)
		lf := bytes.IndexByte(block, '\n')
		p.Lines = p.Lines && len(block) > 0 && (lf == len(block)-1 || lf < 0 && i == len(blocks)-1)
	}
	if !p.Lines {
		p.Lengths = make([]uint32, len(blocks))
		for i, block := range blocks {
			p.Lengths[i] = uint32(len(block))
		}
	}
	n := len(b)
	if try {
		if compressed := compress(b, blocks, p.Raw); compressed != nil {
			p.Zstd, p.Payload = true, compressed[n:]
			return p, compressed
		}
	}
	for _, block := range blocks {
		b = append(b, block...)
	}
	p.Payload = b[n:]
	return p, b
}
