package records

import (
	"bytes"

	"hc/lib/compact"
	"hc/lib/hash"
)

const (
	runShort = 1 // flag: no leaf hashes, not in the index
	runLines = 2 // flag: no lengths, blocks end after their LF
)

// How the payload of a run is stored.
const (
	CodecRaw   = 0
	CodecZstd  = 1
	CodecDelta = 2 // zstd, with a block as the dictionary
)

// Run is the meta of a run.
type Run struct {
	Short, Lines bool
	Codec        byte
	Ordinal      uint32 // in its append
	Count        int    // blocks
	Raw          int    // their size in bytes
	Base         hash.Digest
	Lengths      []uint32 // nil for lines
	Leaves       []hash.Digest
}

// Encode returns the meta.
func (m *Run) Encode() []byte {
	b := make([]byte, 0, 32+3*len(m.Lengths)+hash.Size*len(m.Leaves))
	flag := byte(0)
	if m.Short {
		flag |= runShort
	}
	if m.Lines {
		flag |= runLines
	}
	b = append(b, flag, m.Codec)
	b = compact.AppendUint(b, uint64(m.Ordinal))
	b = compact.AppendUint(b, uint64(m.Count))
	b = compact.AppendUint(b, uint64(m.Raw))
	if m.Codec == CodecDelta {
		b = append(b, m.Base[:]...)
	}
	if !m.Lines && m.Count > 1 {
		for _, n := range m.Lengths {
			b = compact.AppendUint(b, uint64(n))
		}
	}
	if !m.Short {
		for _, leaf := range m.Leaves {
			b = append(b, leaf[:]...)
		}
	}
	return b
}

// DecodeRun decodes a run record's meta.
func DecodeRun(meta []byte) (*Run, error) {
	d := compact.NewDecoder(meta)
	flag, codec := flags(d, runShort|runLines), u8(d)
	m := &Run{Short: flag&runShort != 0, Lines: flag&runLines != 0, Codec: codec}
	ordinal, count, raw := d.Uint(), d.Uint(), d.Uint()
	switch {
	case d.Err() != nil:
	case m.Lines && !m.Short:
		d.Fail("lines with leaf hashes")
	case codec > CodecDelta:
		d.Fail("codec %d", codec)
	case ordinal > 1<<32-1:
		d.Fail("run %d", ordinal)
	case count == 0 || count > MaxRunBlocks:
		d.Fail("%d blocks in a run", count)
	case raw > MaxRaw || count == 1 && raw > MaxBlock || m.Lines && raw < count:
		d.Fail("%d blocks of %d bytes in a run", count, raw)
	}
	if d.Err() != nil {
		return nil, finish("run", d)
	}
	m.Ordinal, m.Count, m.Raw = uint32(ordinal), int(count), int(raw)
	if codec == CodecDelta {
		m.Base = d.Fixed32()
	}
	m.readLengths(d)
	if !m.Short && d.Err() == nil {
		if hash.Size*m.Count != d.Left() {
			d.Fail("%d leaf hashes in %d bytes", m.Count, d.Left())
			return nil, finish("run", d)
		}
		m.Leaves = make([]hash.Digest, m.Count)
		for i := range m.Leaves {
			m.Leaves[i] = d.Fixed32()
		}
	}
	if err := finish("run", d); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Run) readLengths(d *compact.Decoder) {
	switch {
	case m.Lines:
		return
	case m.Count == 1:
		m.Lengths = []uint32{uint32(m.Raw)}
		return
	case m.Count > d.Left():
		d.Fail("%d lengths in %d bytes", m.Count, d.Left())
		return
	}
	m.Lengths = make([]uint32, m.Count)
	sum := uint64(0)
	for i := range m.Lengths {
		n := d.Uint()
		sum += n
		if n > MaxBlock || sum > uint64(m.Raw) {
			d.Fail("block %d of a run has %d bytes", i, n)
			return
		}
		m.Lengths[i] = uint32(n)
	}
	if sum != uint64(m.Raw) {
		d.Fail("lengths add up to %d, not %d", sum, m.Raw)
	}
}

// Split returns where each block of the decoded run ends, or false if data contradicts the meta.
func (m *Run) Split(data []byte) ([]uint32, bool) {
	if len(data) != m.Raw {
		return nil, false
	}
	ends := make([]uint32, m.Count)
	at := 0
	for i := range ends {
		if m.Lines {
			n := bytes.IndexByte(data[at:], '\n') + 1
			if n == 0 && i == m.Count-1 {
				n = len(data) - at
			}
			if n == 0 {
				return nil, false
			}
			at += n
		} else {
			at += int(m.Lengths[i])
		}
		ends[i] = uint32(at)
	}
	return ends, at == len(data)
}
