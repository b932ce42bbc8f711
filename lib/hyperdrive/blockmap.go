package hyperdrive

import (
	"errors"
	"fmt"

	"hc/lib/compact"
)

// A map lists the blocks of a file that shares blocks with others, or with itself:
//
//	map block   uint 0 (version), uint count, count × piece
//	piece       uint block, uint length in bytes
//
// with up to 8192 pieces in each map block. Source: hyperblobs 2.12.1; vectors: drive-block-map*.json.

// Limits of maps. Stock's readers refuse what is over them.
const (
	MaxMapBlocks = 64                          // of one file
	MaxPieces    = MaxMapBlocks * piecesAtOnce // of a file that is written
	piecesAtOnce = 8192                        // in a map block that is written; more are read
)

// Piece is one block of a mapped file.
type Piece struct {
	Block  uint64 // of the blobs core
	Length uint64 // bytes
}

// EncodeMap returns the blocks of a map, at least one. An empty file must not have a map, and one of more than [MaxPieces]
// pieces cannot: both are errors.
func EncodeMap(pieces []Piece) ([][]byte, error) {
	switch {
	case len(pieces) == 0:
		return nil, errors.New("a map of nothing: stock cannot read it")
	case len(pieces) > MaxPieces:
		return nil, fmt.Errorf("a map of %d pieces is over the limit of %d: cut larger ones", len(pieces), MaxPieces)
	}
	var blocks [][]byte
	for len(pieces) > 0 {
		n := min(len(pieces), piecesAtOnce)
		blocks, pieces = append(blocks, EncodeMapBlock(pieces[:n])), pieces[n:]
	}
	return blocks, nil
}

// EncodeMapBlock returns one block of a map.
func EncodeMapBlock(pieces []Piece) []byte {
	block := compact.AppendUint([]byte{0}, uint64(len(pieces)))
	for _, p := range pieces {
		block = compact.AppendUint(compact.AppendUint(block, p.Block), p.Length)
	}
	return block
}

// DecodeMap reads one block of a map. The error wraps [ErrContent]: another version, more pieces than fit into the block,
// bytes behind the last one.
func DecodeMap(block []byte) ([]Piece, error) {
	d := compact.NewDecoder(block)
	if version := d.Uint(); version != 0 {
		d.Fail("unknown version %d", version)
	}
	pieces := make([]Piece, d.ArrayLen(2, compact.MaxArray))
	for i := range pieces {
		pieces[i] = Piece{Block: d.Uint(), Length: d.Uint()}
	}
	if n := d.Left(); n > 0 {
		d.Fail("%d bytes behind the last piece", n)
	}
	if err := d.Err(); err != nil {
		return nil, fmt.Errorf("%w: map: %w", ErrContent, err)
	}
	return pieces, nil
}

// Run is neighbouring blocks.
type Run struct{ First, Count uint64 }

// Runs joins the pieces whose blocks follow each other. One run means that no map is needed.
func Runs(pieces []Piece) []Run {
	var runs []Run
	for _, p := range pieces {
		if last := len(runs) - 1; last >= 0 && runs[last].First+runs[last].Count == p.Block {
			runs[last].Count++
			continue
		}
		runs = append(runs, Run{First: p.Block, Count: 1})
	}
	return runs
}
