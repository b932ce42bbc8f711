package codec

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/zstd"

	"hc/lib/store/records"
	"hc/lib/zstdframe"
)

// Bounds of blocks that are stored as a delta to another one, a base.
const (
	MinDelta = 1 << 10 // bytes
	MaxDelta = 1 << 20 // bytes of the block, and of its base
)

const (
	deltaCost = 160 // bytes of a record and its meta, besides the frame
	surely    = 16  // zstd shrinks no block to this fraction: a delta smaller than that needs no comparison
)

// DeltaWorthIt reports whether a frame of so many bytes that needs a base is stored in place of one of alone bytes that
// needs none.
func DeltaWorthIt(frame, alone int) bool { return 2*(frame+deltaCost) <= alone }

// smallBase is the size in bytes up to which the fast encoder, with its small tables, finds the matches in a base, in a
// third of the time.
const smallBase = 64 << 10

// deltaEncoders hold encoders for small and for large bases. A window of twice MaxDelta holds a base and a block.
var deltaEncoders = [2]sync.Pool{
	{New: func() any { return newDeltaEncoder(zstd.SpeedFastest) }},
	{New: func() any { return newDeltaEncoder(zstd.SpeedDefault) }},
}

func newDeltaEncoder(level zstd.EncoderLevel) *zstd.Encoder {
	return zstdframe.NewEncoder(level, 2*MaxDelta, zstd.WithEncoderDictRaw(zstdframe.Dictionary, nil)) // one that takes dictionaries from the beginning
}

// EncodeDelta returns a frame of raw with base as its dictionary, or nil if that is not clearly smaller than zstd makes
// raw alone: a reader has to read both blocks.
func EncodeDelta(raw, base []byte) []byte {
	frame := deltaFrame(raw, base)
	if frame == nil {
		return nil
	}
	if !DeltaWorthIt(len(frame), len(raw)) {
		return nil
	}
	if !DeltaWorthIt(len(frame), len(raw)/surely) {
		if plain := Compress(nil, raw, Thorough); plain != nil && !DeltaWorthIt(len(frame), len(plain)) {
			return nil
		}
	}
	back, err := Decompress(nil, &records.Run{Codec: records.CodecDelta, Raw: len(raw)}, frame, base)
	if err != nil || !bytes.Equal(back, raw) {
		return nil // the block is stored without a base
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
