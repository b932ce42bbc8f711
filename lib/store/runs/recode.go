package runs

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"hc/lib/store/codec"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/zstdframe"
)

// Recoder compresses runs again. It is for one goroutine. Its results are valid until the next call.
type Recoder struct {
	cold    bool          // else it compresses as appends do
	encoder *zstd.Encoder // its own: the collector empties pools, so one from a pool would be made again and again

	raw, frame, back []byte // room for a run, for its frame, and for what the frame decodes to
}

// NewRecoder returns a Recoder. A cold one takes 34 MiB for the tables of its encoder. One is enough for a repack, and
// leaves nothing else to collect: garbage may grow to half of what is live before it is collected.
func NewRecoder(cold bool) *Recoder {
	if !cold {
		return &Recoder{encoder: codec.NewThorough(), frame: make([]byte, 0, MostBytes)}
	}
	return &Recoder{cold: true, encoder: zstdframe.NewEncoder(zstd.SpeedBestCompression, records.MaxWindow)}
}

// Encode sets the codec of a run whose blocks are raw, and returns its payload, which it has checked by decoding it.
func (r *Recoder) Encode(m *records.Run, raw []byte) ([]byte, error) {
	var frame []byte
	switch {
	case r.cold && len(raw) > 0:
		frame = r.encoder.EncodeAll(raw, r.frame[:0])
	case !r.cold && !codec.LooksRandom(raw):
		frame = codec.CompressBy(r.encoder, r.frame[:0], raw)
	}
	if frame != nil {
		r.frame = frame
	}
	if frame == nil || len(frame) >= len(raw) {
		m.Codec = records.CodecRaw
		return raw, nil
	}
	m.Codec = records.CodecZstd
	r.back = withRoom(r.back, zstdframe.Room(m.Raw))
	back, err := codec.Decompress(r.back, m, frame, nil)
	if err != nil || !bytes.Equal(back, raw) {
		return nil, fmt.Errorf("internal error: a run of %d bytes does not decode to what was encoded: %w", len(raw), err)
	}
	return frame, nil
}

// Again returns a run's record with another payload, if that is smaller. Runs with a base stay as they are.
func (r *Recoder) Again(record *packlog.Record) (*packlog.Record, error) {
	m, raw, err := r.Plain(record, records.MaxRaw)
	if err != nil || m == nil {
		return record, err
	}
	payload, err := r.Encode(m, raw)
	if err != nil || len(payload) >= len(record.Payload) {
		return record, err
	}
	now := *record
	now.Meta, now.Payload = m.Encode(), payload
	return &now, nil
}

// Plain decodes a run; it returns nil if the run has a base or more than most bytes. A run that contradicts its meta is
// damage.
func (r *Recoder) Plain(record *packlog.Record, most int) (*records.Run, []byte, error) {
	m, err := records.DecodeRun(record.Meta)
	if err != nil {
		return nil, nil, records.DamagedAt(record.Position, err)
	}
	if m.Codec == records.CodecDelta || m.Raw > most {
		return nil, nil, nil
	}
	r.raw = withRoom(r.raw, zstdframe.Room(m.Raw))
	raw, err := codec.Decompress(r.raw, m, record.Payload, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("run at %v: %w", record.Position, err)
	}
	if _, ok := m.Split(raw); !ok {
		return nil, nil, fmt.Errorf("%w: run at %v: its blocks do not have the lengths that it says", packlog.ErrDamaged, record.Position)
	}
	return m, raw, nil
}

// withRoom returns an empty slice with room for that many bytes, b if it has enough.
func withRoom(b []byte, bytes int) []byte {
	if cap(b) < bytes {
		return make([]byte, 0, bytes)
	}
	return b[:0]
}
