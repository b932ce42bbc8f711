package store

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"hc/lib/hash"
)

// worthIt is the part of a run that zstd must save, as a divisor: less than 1/32, and it stays raw.
const worthIt = 32

// deltaDictionary is the id under which a base goes to the decoder; frames name none.
const deltaDictionary = 0

// Effort is how much work a transaction puts into making runs small. Repack packs whatever was left with all of it.
type Effort byte

const (
	Thorough Effort = iota // zstd's default level: for what is written once
	Quick                  // its fastest level takes half the time, and 3 to 6 % more room: for what comes faster than that
)

// encoders compress one run at a time each, by Effort. A window of 1 MiB holds any run of small blocks whole, and keeps an
// encoder at a few MiB while it works on a large block.
var encoders = [...]sync.Pool{
	Thorough: {New: func() any { return newEncoder(zstd.SpeedDefault) }},
	Quick:    {New: func() any { return newEncoder(zstd.SpeedFastest) }},
}

func newEncoder(level zstd.EncoderLevel) *zstd.Encoder {
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(1<<20),
		zstd.WithEncoderCRC(false), // the record has one
		zstd.WithEncoderLevel(level))
	if err != nil {
		panic("store: internal error: " + err.Error())
	}
	return e
}

// compress appends the frame of raw to dst, or returns nil where that does not save enough.
func compress(dst, raw []byte, effort Effort) []byte {
	if looksRandom(raw) {
		return nil
	}
	return compressAnyway(dst, raw, effort)
}

// compressAnyway is compress where it was seen that raw does not look random.
func compressAnyway(dst, raw []byte, effort Effort) []byte {
	if len(raw) < 64 {
		return nil // a frame's head and a sync'd record's padding eat it up
	}
	e := encoders[effort].Get().(*zstd.Encoder)
	defer encoders[effort].Put(e)
	frame := e.EncodeAll(raw, dst)
	if len(frame)-len(dst) > len(raw)-len(raw)/worthIt {
		return nil
	}
	return frame
}

// decoders are for frames without a base.
var decoders = sync.Pool{New: func() any { return newDecoder() }}

func newDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecoderMaxMemory(maxRaw+1), // nothing may grow beyond, whatever a frame says
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic("store: internal error: " + err.Error())
	}
	return d
}

// decompress returns the bytes of a run, in a slice of its own or payload itself. base is that of codecDelta.
func decompress(m *runMeta, payload, base []byte) ([]byte, error) {
	return decompressInto(nil, m, payload, base)
}

// decompressInto is decompress with the slice, which is empty, and used if it has room: for decodeRoom, it takes the least time.
func decompressInto(dst []byte, m *runMeta, payload, base []byte) ([]byte, error) {
	var raw []byte
	var err error
	if m.codec == codecRaw {
		if len(payload) != m.raw {
			return nil, fmt.Errorf("%w: %d bytes, expected %d", ErrDamaged, len(payload), m.raw)
		}
		return payload, nil
	}
	dst = withRoom(dst, m.raw)
	dst = dst[:0:min(cap(dst), decodeRoom(m.raw))] // the limit is the capacity: a frame cannot make it grow
	if m.codec == codecDelta {
		raw, err = decodeDelta(dst, payload, base)
	} else {
		d := decoders.Get().(*zstd.Decoder)
		defer decoders.Put(d)
		raw, err = d.DecodeAll(payload, dst)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if len(raw) != m.raw {
		return nil, fmt.Errorf("%w: it decodes to %d bytes, expected %d", ErrDamaged, len(raw), m.raw)
	}
	return raw, nil
}

const (
	zstdBlock = 128 << 10 // bytes that a frame decodes to piece by piece
	zstdSlack = 32        // bytes by which the decoder's fastest way of copying writes beyond what it is to copy
)

// decodeRoom is how much room it takes to decode a frame to so many bytes as fast as can be: where there is none for a whole piece, and for what is written
// beyond it, the decoder copies with care, and takes a third longer for that piece.
func decodeRoom(raw int) int {
	if raw > zstdBlock {
		raw = (raw + zstdBlock - 1) / zstdBlock * zstdBlock
	}
	return raw + zstdSlack
}

// leavesOf returns the leaf hashes of a run whose bytes are data, with the blocks' ends.
func leavesOf(data []byte, ends []uint32) []hash.Digest {
	blocks := make([][]byte, len(ends))
	at := uint32(0)
	for i, end := range ends {
		blocks[i], at = data[at:end], end
	}
	leaves := make([]hash.Digest, len(blocks))
	hash.Leaves(leaves, blocks)
	return leaves
}
