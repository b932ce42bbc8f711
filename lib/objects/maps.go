package objects

import (
	"bytes"
	"fmt"

	"hc/lib/compact"
	"hc/lib/hyperdrive"
	"hc/lib/merkle"
)

// PackMap makes a piece of a block of a map (see [hyperdrive.DecodeMap]) that lists blocks most of which a reader holds; length
// returns their lengths, as far as they are known. ok is false if the block is not one, or the piece would not be much smaller.
func PackMap(block []byte, held []Span, length func(block uint64) (int, bool)) (p Piece, ok bool) {
	if len(block) == 0 || len(block) > MaxMap || block[0] != 0 { // rules out nearly all other blocks at no cost
		return p, false
	}
	pieces, err := hyperdrive.DecodeMap(block)
	if err != nil || !bytes.Equal(hyperdrive.EncodeMapBlock(pieces), block) {
		return p, false
	}
	runs := hyperdrive.Runs(pieces)
	payload := compact.AppendUint(nil, uint64(len(runs)))
	for _, run := range runs {
		if run.First >= merkle.MaxLength { // impossible: a reader would take it for a lie
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

// mapGain is the least factor by which a map must be smaller as a piece: else it is sent like any other block.
const mapGain = 4

// unpackMap returns the block that came as a map. It allocates no more than a block of the length that the piece claims has
// room for.
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

// mappedLength returns the length of a block of a map: what the reader knows or, for a block that it does not hold, what the
// piece says.
func mappedLength(d *compact.Decoder, lender Lender, block uint64) (uint64, error) {
	if !Within(lender.Held(), block, 1) {
		return d.Uint(), nil
	}
	length, err := lender.Length(block)
	return uint64(length), err
}
