// Package zstdframe makes zstd encoders and decoders for blocks: each works on one frame at a time, in bounded
// memory. Frames carry no checksum, as their container has one, or the hashes of blocks do its work. The format is
// RFC 8878.
package zstdframe

import "github.com/klauspost/compress/zstd"

// Window is how far back an encoder usually looks, in bytes: it holds any run of small blocks whole, and keeps an
// encoder at a few MiB while it works on a large block.
const Window = 1 << 20

// NewEncoder returns an encoder for EncodeAll, for one goroutine at a time.
func NewEncoder(level zstd.EncoderLevel, window int, more ...zstd.EOption) *zstd.Encoder {
	e, err := zstd.NewWriter(nil, append([]zstd.EOption{
		zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), // a history of one window, not two
		zstd.WithWindowSize(window),
		zstd.WithEncoderCRC(false),
		zstd.WithEncoderLevel(level),
	}, more...)...)
	if err != nil {
		panic("zstdframe: internal error: " + err.Error())
	}
	return e
}

// Dictionary is the id under which dictionaries are given to encoders and decoders; frames name none.
const Dictionary = 0

// NewDecoder returns a decoder for DecodeAll, for one goroutine at a time, of frames of at most most bytes: nothing
// grows beyond that, nor beyond the capacity of the destination, whatever a frame says.
func NewDecoder(most, window uint64) *zstd.Decoder {
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(window),
		zstd.WithDecoderMaxMemory(most+1),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic("zstdframe: internal error: " + err.Error())
	}
	return d
}

const (
	Piece = 128 << 10 // bytes that a frame decodes to piece by piece
	Slack = 32        // bytes by which the decoder's fastest way of copying writes beyond its target
)

// Room returns the capacity that it takes to decode a frame to raw bytes at full speed: without room for a whole
// piece, and for the bytes written beyond it, the decoder copies carefully, and takes a third longer for that piece.
func Room(raw int) int {
	if raw > Piece {
		raw = (raw + Piece - 1) / Piece * Piece
	}
	return raw + Slack
}
