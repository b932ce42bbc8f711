package store

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"hc/lib/hash"
	"hc/lib/store/records"
	"hc/lib/zstdframe"
)

// worthIt is the part of a run that zstd must save, as a divisor: less than 1/32, and it stays raw.
const worthIt = 32

// Effort is how much work a transaction puts into making runs small. Repack packs whatever was left with all of it.
type Effort byte

const (
	Thorough Effort = iota // zstd's default level: for what is written once
	Quick                  // its fastest level takes half the time, and 3 to 6 % more room: for what comes faster than that
)

// encoders compress one run at a time each, by Effort.
var encoders = [...]sync.Pool{
	Thorough: {New: func() any { return newThorough() }},
	Quick:    {New: func() any { return zstdframe.NewEncoder(zstd.SpeedFastest, zstdframe.Window) }},
}

func newThorough() *zstd.Encoder { return zstdframe.NewEncoder(zstd.SpeedDefault, zstdframe.Window) }

// compress appends the frame of raw to dst, or returns nil where that does not save enough.
func compress(dst, raw []byte, effort Effort) []byte {
	if looksRandom(raw) {
		return nil
	}
	return compressAnyway(dst, raw, effort)
}

// compressAnyway is compress where it was seen that raw does not look random.
func compressAnyway(dst, raw []byte, effort Effort) []byte {
	e := encoders[effort].Get().(*zstd.Encoder)
	defer encoders[effort].Put(e)
	return compressBy(e, dst, raw)
}

// compressBy is compressAnyway with an encoder of the caller's.
func compressBy(e *zstd.Encoder, dst, raw []byte) []byte {
	if len(raw) < 64 {
		return nil // a frame's head and a sync'd record's padding eat it up
	}
	frame := e.EncodeAll(raw, dst)
	if len(frame)-len(dst) > len(raw)-len(raw)/worthIt {
		return nil
	}
	return frame
}

// decoders are for frames without a base.
var decoders = sync.Pool{New: func() any { return newDecoder() }}

func newDecoder() *zstd.Decoder { return zstdframe.NewDecoder(records.MaxRaw, records.MaxWindow) }

// decompress returns the bytes of a run, in a slice of its own or payload itself. base is that of records.CodecDelta.
func decompress(m *records.Run, payload, base []byte) ([]byte, error) {
	return decompressInto(nil, m, payload, base)
}

// decompressInto is decompress with the slice, which is empty, and used if it has room: with zstdframe.Room it takes the least time.
func decompressInto(dst []byte, m *records.Run, payload, base []byte) ([]byte, error) {
	var raw []byte
	var err error
	if m.Codec == records.CodecRaw {
		if len(payload) != m.Raw {
			return nil, fmt.Errorf("%w: %d bytes, expected %d", ErrDamaged, len(payload), m.Raw)
		}
		return payload, nil
	}
	dst = withRoom(dst, m.Raw)
	dst = dst[:0:min(cap(dst), zstdframe.Room(m.Raw))] // the limit is the capacity: a frame cannot make it grow
	if m.Codec == records.CodecDelta {
		raw, err = decodeDelta(dst, payload, base)
	} else {
		d := decoders.Get().(*zstd.Decoder)
		defer decoders.Put(d)
		raw, err = d.DecodeAll(payload, dst)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if len(raw) != m.Raw {
		return nil, fmt.Errorf("%w: it decodes to %d bytes, expected %d", ErrDamaged, len(raw), m.Raw)
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
