package codec

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/zstdframe"
)

// WorthIt reports whether a frame of so many bytes is stored in place of the raw bytes: zstd must save 1/32.
func WorthIt(frame, raw int) bool { return frame <= raw-raw/32 }

// Effort is how much work is put into making a run small.
type Effort byte

const (
	Thorough Effort = iota // zstd's default level: for data that is written once
	Quick                  // its fastest level takes half the time, and 3 to 6 % more room: for data that comes faster than Thorough can compress
)

// encoders compress one run at a time each, by Effort.
var encoders = [...]sync.Pool{
	Thorough: {New: func() any { return NewThorough() }},
	Quick:    {New: func() any { return zstdframe.NewEncoder(zstd.SpeedFastest, zstdframe.Window) }},
}

// NewThorough returns an encoder for CompressBy that compresses like Thorough.
func NewThorough() *zstd.Encoder { return zstdframe.NewEncoder(zstd.SpeedDefault, zstdframe.Window) }

// Compress appends the frame of raw to dst, or returns nil if that does not save enough.
func Compress(dst, raw []byte, effort Effort) []byte {
	if LooksRandom(raw) {
		return nil
	}
	return CompressAnyway(dst, raw, effort)
}

// CompressAnyway is Compress for bytes that are known not to look random.
func CompressAnyway(dst, raw []byte, effort Effort) []byte {
	e := encoders[effort].Get().(*zstd.Encoder)
	defer encoders[effort].Put(e)
	return CompressBy(e, dst, raw)
}

// CompressBy is CompressAnyway with the caller's encoder.
func CompressBy(e *zstd.Encoder, dst, raw []byte) []byte {
	if len(raw) < 64 {
		return nil // the frame's header and the record's padding would use up what it saves
	}
	frame := e.EncodeAll(raw, dst)
	if !WorthIt(len(frame)-len(dst), len(raw)) {
		return nil
	}
	return frame
}

// decoders are for frames without a base.
var decoders = sync.Pool{New: func() any { return newDecoder() }}

func newDecoder() *zstd.Decoder { return zstdframe.NewDecoder(records.MaxRaw, records.MaxWindow) }

// Decompress returns the bytes of a run: the payload itself if that is raw, else dst, which is empty, if it has enough
// room, or a new slice. It is fastest if dst has zstdframe.Room. base is the base of a records.CodecDelta.
func Decompress(dst []byte, m *records.Run, payload, base []byte) ([]byte, error) {
	var raw []byte
	var err error
	if m.Codec == records.CodecRaw {
		if len(payload) != m.Raw {
			return nil, fmt.Errorf("%w: %d bytes, expected %d", packlog.ErrDamaged, len(payload), m.Raw)
		}
		return payload, nil
	}
	if cap(dst) < m.Raw {
		dst = make([]byte, 0, m.Raw)
	}
	dst = dst[:0:min(cap(dst), zstdframe.Room(m.Raw))] // the limit is the capacity: a frame cannot make it grow
	if m.Codec == records.CodecDelta {
		raw, err = decodeDelta(dst, payload, base)
	} else {
		d := decoders.Get().(*zstd.Decoder)
		defer decoders.Put(d)
		raw, err = d.DecodeAll(payload, dst)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", packlog.ErrDamaged, err)
	}
	if len(raw) != m.Raw {
		return nil, fmt.Errorf("%w: it decodes to %d bytes, expected %d", packlog.ErrDamaged, len(raw), m.Raw)
	}
	return raw, nil
}
