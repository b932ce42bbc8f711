// Package zstdframe makes encoders and decoders of zstd for blocks: one frame at a time each, in memory whose bounds are known, for frames that
// carry no checksum, as what they are in has one, or the hashes of blocks tell. The format is RFC 8878.
package zstdframe

import "github.com/klauspost/compress/zstd"

// Window is how far back an encoder looks, as a rule, in bytes: it holds any run of small blocks whole, and keeps an encoder at a few MiB
// while it works on a large block.
const Window = 1 << 20

// NewEncoder returns an encoder for EncodeAll, of one goroutine at a time.
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

// Dictionary is the id under which dictionaries go to encoders and decoders; frames name none.
const Dictionary = 0

// NewDecoder returns a decoder for DecodeAll, of one goroutine at a time, of frames of at most so many bytes: nothing grows beyond, nor beyond the
// capacity of what it decodes into, whatever a frame says.
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
	Slack = 32        // bytes by which the decoder's fastest way of copying writes beyond what it is to copy
)

// Room is how much room it takes to decode a frame to so many bytes as fast as can be: where there is none for a whole piece, and for what is
// written beyond it, the decoder copies with care, and takes a third longer for that piece.
func Room(raw int) int {
	if raw > Piece {
		raw = (raw + Piece - 1) / Piece * Piece
	}
	return raw + Slack
}
