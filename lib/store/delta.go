package store

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/zstd"

	"hc/lib/store/records"
	"hc/lib/zstdframe"
)

// Bounds of blocks that are stored as what they differ from another one, a base.
const (
	minDelta  = 1 << 10 // bytes
	maxDelta  = 1 << 20 // bytes of the block, and of its base
	deltaCost = 160     // bytes of a record and its meta beside the frame
	surely    = 16      // what zstd makes of no block, as a divisor: a delta below that needs no comparison
)

// smallBase is the bytes of a base up to which the small tables of the fast encoder find what matters, in a third of the time.
const smallBase = 64 << 10

// deltaEncoders hold encoders for small and for large bases. A window of twice maxDelta holds a base and a block.
var deltaEncoders = [2]sync.Pool{
	{New: func() any { return newDeltaEncoder(zstd.SpeedFastest) }},
	{New: func() any { return newDeltaEncoder(zstd.SpeedDefault) }},
}

func newDeltaEncoder(level zstd.EncoderLevel) *zstd.Encoder {
	return zstdframe.NewEncoder(level, 2*maxDelta, zstd.WithEncoderDictRaw(zstdframe.Dictionary, nil)) // one that takes dictionaries from the beginning
}

// encodeDelta returns a frame of raw whose dictionary is base, or nil where that is not clearly smaller than what zstd makes of raw
// alone: a reader has to read both.
func encodeDelta(raw, base []byte) []byte {
	frame := deltaFrame(raw, base)
	if frame == nil {
		return nil
	}
	cost := len(frame) + deltaCost
	if 2*cost > len(raw) {
		return nil
	}
	if 2*cost > len(raw)/surely {
		if plain := compress(nil, raw, Thorough); plain != nil && 2*cost > len(plain) {
			return nil
		}
	}
	back, err := decompress(&records.Run{Codec: records.CodecDelta, Raw: len(raw)}, frame, base)
	if err != nil || !bytes.Equal(back, raw) {
		return nil // the block is stored without it
	}
	return frame
}

func deltaFrame(raw, base []byte) []byte {
	pool := &deltaEncoders[0]
	if len(base) > smallBase {
		pool = &deltaEncoders[1]
	}
	e := pool.Get().(*zstd.Encoder)
	defer pool.Put(e)
	if err := e.ResetWithOptions(nil, zstd.WithEncoderDictRaw(zstdframe.Dictionary, base)); err != nil {
		return nil
	}
	return e.EncodeAll(raw, nil)
}

// deltaDecoders are for frames with a base.
var deltaDecoders = sync.Pool{New: func() any { return newDecoder() }}

// decodeDelta appends the bytes of a frame to dst, up to its capacity.
func decodeDelta(dst, frame, base []byte) ([]byte, error) {
	d := deltaDecoders.Get().(*zstd.Decoder)
	defer deltaDecoders.Put(d)
	if err := d.ResetWithOptions(nil, zstd.WithDecoderDictRaw(zstdframe.Dictionary, base)); err != nil {
		return nil, err
	}
	return d.DecodeAll(frame, dst)
}
