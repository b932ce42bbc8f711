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

// encoders compress one run at a time each. A window of 1 MiB holds any run of small blocks whole, and keeps an encoder
// at a few MiB while it works on a large block.
var encoders = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(1<<20),
		zstd.WithEncoderCRC(false), // the record has one
		zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		panic("store: internal error: " + err.Error())
	}
	return e
}}

// compress appends the frame of raw to dst, or returns nil where that does not save enough.
func compress(dst, raw []byte) []byte {
	if len(raw) < 64 || looksRandom(raw) {
		return nil // a frame's head and a sync'd record's padding eat it up
	}
	e := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(e)
	frame := e.EncodeAll(raw, dst)
	if len(frame)-len(dst) > len(raw)-len(raw)/worthIt {
		return nil
	}
	return frame
}

const (
	stretches = 8       // of a run that are looked at
	stretch   = 2 << 10 // bytes of each
)

// looksRandom reports whether the bytes of a large run are spread so evenly that trying to compress it is a waste, as it
// is for what is encrypted, or compressed well, already: a try costs a third of what hashing the run does. The index of
// coincidence over some stretches tells: its expectation for even bytes is n(n-1)/256, with a deviation of 0.14 % at this n; a stretch
// that repeats another, or a byte that is a little rarer, raises it beyond 2 %.
func looksRandom(raw []byte) bool {
	const n = stretches * stretch
	if len(raw) < 2*n {
		return false
	}
	var counts [256]uint32
	for i := range stretches {
		at := i * (len(raw) - stretch) / (stretches - 1)
		for _, c := range raw[at : at+stretch] {
			counts[c]++
		}
	}
	pairs := uint64(0)
	for _, count := range counts {
		pairs += uint64(count) * uint64(count-min(count, 1))
	}
	return pairs < n*(n-1)/256*102/100
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

// decompressInto is decompress with the slice, which is empty, and used if it has room.
func decompressInto(dst []byte, m *runMeta, payload, base []byte) ([]byte, error) {
	var raw []byte
	var err error
	if m.codec == codecRaw {
		if len(payload) != m.raw {
			return nil, fmt.Errorf("%w: %d bytes, expected %d", ErrDamaged, len(payload), m.raw)
		}
		return payload, nil
	}
	dst = withRoom(dst, m.raw)[:0:m.raw] // the limit is the capacity: a frame cannot make it grow
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
