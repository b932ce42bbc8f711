package objects

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	worthIt     = 32 // the part that zstd must save, as a divisor
	compressMin = 64 // bytes; fewer are not worth a frame
	window      = 1 << 20
	maxWindow   = 8 << 20
)

var encoders = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(window),
		zstd.WithEncoderCRC(false), // the leaf hashes tell
		zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		panic("objects: internal error: " + err.Error())
	}
	return e
}}

// compress returns the frame of raw, nil where that does not save enough.
func compress(raw []byte, try bool) []byte {
	if !try || len(raw) < compressMin {
		return nil
	}
	e := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(e)
	frame := e.EncodeAll(raw, nil)
	if len(frame) > len(raw)-len(raw)/worthIt-1 {
		return nil
	}
	return frame
}

var decoders = sync.Pool{New: func() any { return newDecoder() }}

func newDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecoderMaxMemory(MaxBlock+1), // nothing may grow beyond, whatever a frame says
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic("objects: internal error: " + err.Error())
	}
	return d
}

// unpack fills into with the bytes of a piece that is compressed.
func (p Piece) unpack(into []byte) error {
	d := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(d)
	return p.decode(d, into)
}

func (p Piece) decode(d *zstd.Decoder, into []byte) error {
	raw, err := d.DecodeAll(p.Payload, into[:0:len(into)]) // cannot grow
	if err != nil {
		return fmt.Errorf("%w: blocks: %w", ErrMessage, err)
	}
	if len(raw) != len(into) {
		return fmt.Errorf("%w: blocks: a frame of %d bytes that says it has %d", ErrMessage, len(raw), len(into))
	}
	return nil
}
