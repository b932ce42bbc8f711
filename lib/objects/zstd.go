package objects

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"hc/lib/zstdframe"
)

const (
	worthIt     = 32 // zstd must save 1/32
	compressMin = 64 // bytes; fewer are not worth a frame
	maxWindow   = 8 << 20
)

var encoders = sync.Pool{New: func() any { return zstdframe.NewEncoder(zstd.SpeedDefault, zstdframe.Window) }}

// compress appends to b the frame of blocks of raw bytes, or returns nil if that does not save enough.
func compress(b []byte, blocks [][]byte, raw int) []byte {
	if raw < compressMin {
		return nil
	}
	joined := blocks[0]
	if len(blocks) > 1 {
		scratch := joins.Get().(*[]byte)
		defer giveJoin(scratch)
		*scratch = (*scratch)[:0]
		for _, block := range blocks {
			*scratch = append(*scratch, block...)
		}
		joined = *scratch
	}
	e := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(e)
	longer := e.EncodeAll(joined, b)
	if len(longer)-len(b) > raw-raw/worthIt-1 {
		return nil
	}
	return longer
}

// joins has buffers for the joined bytes of blocks while they are compressed.
var joins = sync.Pool{New: func() any { return new([]byte) }}

// giveJoin gives a buffer back, unless it has become too long.
func giveJoin(scratch *[]byte) {
	if cap(*scratch) <= 2*MaxRaw {
		joins.Put(scratch)
	}
}

var decoders = sync.Pool{New: func() any { return newDecoder() }}

func newDecoder() *zstd.Decoder { return zstdframe.NewDecoder(MaxBlock, maxWindow) }

// unpack fills into with the bytes of a compressed piece.
func (p Piece) unpack(into []byte) error {
	d := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(d)
	return p.decode(d, into)
}

func (p Piece) decode(d *zstd.Decoder, into []byte) error {
	raw, err := d.DecodeAll(p.Payload, into[:0]) // cannot grow
	if err != nil {
		return fmt.Errorf("%w: blocks: %w", ErrMessage, err)
	}
	if len(raw) != len(into) {
		return fmt.Errorf("%w: blocks: a frame of %d bytes that claims %d", ErrMessage, len(raw), len(into))
	}
	return nil
}
