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
// with 8192 pieces in each map block, or more if that would take over 64 map blocks. Source: hyperblobs 2.12.1;
// vectors: drive-block-map*.json.

// Limits of maps.
const (
	MaxMapBlocks = 64                        // of one file: stock's readers refuse more
	MaxPieces    = MaxMapBlocks * mostAtOnce // of one file
	piecesAtOnce = 8192                      // in a map block that stock writes
	mostAtOnce   = 64 << 10                  // in one that hc writes; stock's readers put each into one call, which may have about 120,000 arguments
	mostRead     = 128 << 10                 // in one that hc reads
)

// Piece is one block of a mapped file.
type Piece struct {
	Block  uint64 // of the blobs core
	Length uint64 // bytes
}

// PiecesAtOnce returns how many pieces go into each block, except the last, of a map of that many pieces. An empty
// file must not have a map, and a map cannot have more than [MaxPieces] pieces: both are errors.
func PiecesAtOnce(pieces int) (int, error) {
	switch {
	case pieces == 0:
		return 0, errors.New("a map of an empty file: stock cannot read it")
	case pieces > MaxPieces:
		return 0, fmt.Errorf("a version that shares chunks with others can have at most %d chunks, this one has %d: cut larger ones", MaxPieces, pieces)
	}
	return max(piecesAtOnce, (pieces+MaxMapBlocks-1)/MaxMapBlocks), nil
}

// EncodeMapBlock returns one block of a map.
func EncodeMapBlock(pieces []Piece) []byte {
	block := compact.AppendUint([]byte{0}, uint64(len(pieces)))
	for _, p := range pieces {
		block = compact.AppendUint(compact.AppendUint(block, p.Block), p.Length)
	}
	return block
}

// DecodeMap reads one block of a map. The error wraps [ErrContent]: another version, more pieces than fit into the
// block or than stock's readers take, pieces longer than a block may be, bytes after the last one.
func DecodeMap(block []byte) ([]Piece, error) {
	d := compact.NewDecoder(block)
	if version := d.Uint(); version != 0 {
		d.Fail("unknown version %d", version)
	}
	pieces := make([]Piece, d.ArrayLen(2, mostRead))
	for i := range pieces {
		pieces[i] = Piece{Block: d.Uint(), Length: d.Uint()}
		if length := pieces[i].Length; length > maxBlock {
			d.Fail("a piece of %d bytes", length)
		}
	}
	if n := d.Left(); n > 0 {
		d.Fail("%d bytes after the last piece", n)
	}
	if err := d.Err(); err != nil {
		return nil, fmt.Errorf("%w: map: %w", ErrContent, err)
	}
	return pieces, nil
}

// Run is neighbouring blocks: Count of them, from First on.
type Run struct{ First, Count uint64 }

// Runs joins pieces whose blocks follow each other. A file of one run needs no map.
func Runs(pieces []Piece) (runs []Run) {
	for _, p := range pieces {
		runs = appendRun(runs, Run{First: p.Block, Count: 1})
	}
	return runs
}

func appendRun(runs []Run, run Run) []Run {
	if last := len(runs) - 1; last >= 0 && runs[last].First+runs[last].Count == run.First {
		runs[last].Count += run.Count
		return runs
	}
	return append(runs, run)
}
