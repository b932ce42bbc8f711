package objects

import (
	"bytes"
	"fmt"

	"hc/lib/compact"
	"hc/lib/hyperdrive"
	"hc/lib/merkle"
)

// PackMap makes a piece of a block that is a block of a map (see [hyperdrive.DecodeMap]) of blocks most of which a reader holds; length
// gives those of their lengths that are known. It fails if the block is none, or the piece would not be much smaller.
func PackMap(block []byte, held []Span, length func(block uint64) (int, bool)) (p Piece, ok bool) {
	if len(block) == 0 || len(block) > MaxMap || block[0] != 0 { // which costs nothing to see, of nearly all that are none
		return p, false
	}
	pieces, err := hyperdrive.DecodeMap(block)
	if err != nil || !bytes.Equal(hyperdrive.EncodeMapBlock(pieces), block) {
		return p, false
	}
	runs := hyperdrive.Runs(pieces)
	payload := compact.AppendUint(nil, uint64(len(runs)))
	for _, run := range runs {
		if run.First >= merkle.MaxLength { // nothing that can be: who is told of it takes it for a lie
			return p, false
		}
		payload = compact.AppendUint(compact.AppendUint(payload, run.First), run.Count)
	}
	for _, piece := range pieces {
		if len(payload) > len(block)/mapGain {
			return p, false
		}
		if !Within(held, piece.Block, 1) {
			payload = compact.AppendUint(payload, piece.Length)
			continue
		}
		if n, known := length(piece.Block); !known || uint64(n) != piece.Length {
			return p, false
		}
	}
	return Piece{Map: true, Count: 1, Raw: len(block), Lengths: []uint32{uint32(len(block))}, Payload: payload}, true
}

// mapGain is by how much a map is smaller as a piece, at least: else it goes as any block does.
const mapGain = 4

// unpackMap returns the block that came as the map that it is. Nothing grows beyond what a block has room for that is as long as the piece says.
func (p Piece) unpackMap(lender Lender) ([]byte, error) {
	d := compact.NewDecoder(p.Payload)
	runs := make([]Span, d.ArrayLen(2, p.Raw))
	count, most := uint64(0), uint64(p.Raw)/2
	for i := range runs {
		runs[i] = Span{d.Uint(), d.Uint()}
		if runs[i].First >= merkle.MaxLength || runs[i].Count > most-count {
			return nil, fmt.Errorf("%w: blocks: a map of more than %d blocks in %d bytes", ErrMessage, most, p.Raw)
		}
		count += runs[i].Count
	}
	pieces := make([]hyperdrive.Piece, 0, count)
	for _, run := range runs {
		for block := run.First; block < run.First+run.Count; block++ {
			length, err := mappedLength(d, lender, block)
			if err != nil {
				return nil, err
			}
			pieces = append(pieces, hyperdrive.Piece{Block: block, Length: length})
		}
	}
	block := hyperdrive.EncodeMapBlock(pieces)
	if len(block) != p.Raw {
		d.Fail("a map of %d bytes, not %d", len(block), p.Raw)
	}
	return block, finish("blocks: a map", d)
}

// mappedLength returns how long a block of a map is: what the reader knows, or, of one that he does not hold, what the piece says.
func mappedLength(d *compact.Decoder, lender Lender, block uint64) (uint64, error) {
	if !Within(lender.Held(), block, 1) {
		return d.Uint(), nil
	}
	length, err := lender.Length(block)
	return uint64(length), err
}
