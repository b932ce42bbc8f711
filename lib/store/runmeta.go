package store

import (
	"bytes"

	"hc/lib/compact"
	"hc/lib/hash"
)

const (
	runShort = 1 // flag: no leaf hashes, not in the index
	runLines = 2 // flag: no lengths, blocks end behind their LF
)

// runMeta says what is in a run.
type runMeta struct {
	short, lines bool
	codec        byte
	ordinal      uint32 // in its append
	count        int    // blocks
	raw          int    // bytes of them
	base         hash.Digest
	lengths      []uint32 // nil for lines
	leaves       []hash.Digest
}

func (m *runMeta) encode() []byte {
	b := make([]byte, 0, 32+3*len(m.lengths)+hash.Size*len(m.leaves))
	flag := byte(0)
	if m.short {
		flag |= runShort
	}
	if m.lines {
		flag |= runLines
	}
	b = append(b, flag, m.codec)
	b = compact.AppendUint(b, uint64(m.ordinal))
	b = compact.AppendUint(b, uint64(m.count))
	b = compact.AppendUint(b, uint64(m.raw))
	if m.codec == codecDelta {
		b = append(b, m.base[:]...)
	}
	if !m.lines && m.count > 1 {
		for _, n := range m.lengths {
			b = compact.AppendUint(b, uint64(n))
		}
	}
	if !m.short {
		for _, leaf := range m.leaves {
			b = append(b, leaf[:]...)
		}
	}
	return b
}

func decodeRun(meta []byte) (*runMeta, error) {
	d := compact.NewDecoder(meta)
	flag, codec := flags(d, runShort|runLines), u8(d)
	m := &runMeta{short: flag&runShort != 0, lines: flag&runLines != 0, codec: codec}
	ordinal, count, raw := d.Uint(), d.Uint(), d.Uint()
	switch {
	case d.Err() != nil:
	case m.lines && !m.short:
		d.Fail("lines with leaf hashes")
	case codec > codecDelta:
		d.Fail("codec %d", codec)
	case ordinal > 1<<32-1:
		d.Fail("run %d", ordinal)
	case count == 0 || count > maxRunBlocks:
		d.Fail("%d blocks in a run", count)
	case raw > maxRaw || count == 1 && raw > maxBlock || m.lines && raw < count:
		d.Fail("%d blocks of %d bytes in a run", count, raw)
	}
	if d.Err() != nil {
		return nil, finish("run", d)
	}
	m.ordinal, m.count, m.raw = uint32(ordinal), int(count), int(raw)
	if codec == codecDelta {
		m.base = d.Fixed32()
	}
	m.readLengths(d)
	if !m.short && d.Err() == nil {
		if hash.Size*m.count != d.Left() {
			d.Fail("%d leaf hashes in %d bytes", m.count, d.Left())
			return nil, finish("run", d)
		}
		m.leaves = make([]hash.Digest, m.count)
		for i := range m.leaves {
			m.leaves[i] = d.Fixed32()
		}
	}
	if err := finish("run", d); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *runMeta) readLengths(d *compact.Decoder) {
	switch {
	case m.lines:
		return
	case m.count == 1:
		m.lengths = []uint32{uint32(m.raw)}
		return
	case m.count > d.Left():
		d.Fail("%d lengths in %d bytes", m.count, d.Left())
		return
	}
	m.lengths = make([]uint32, m.count)
	sum := uint64(0)
	for i := range m.lengths {
		n := d.Uint()
		sum += n
		if n > maxBlock || sum > uint64(m.raw) {
			d.Fail("block %d of a run has %d bytes", i, n)
			return
		}
		m.lengths[i] = uint32(n)
	}
	if sum != uint64(m.raw) {
		d.Fail("lengths add up to %d, not %d", sum, m.raw)
	}
}

// split returns where each block of the decoded run ends, or false if data is not what the meta says.
func (m *runMeta) split(data []byte) ([]uint32, bool) {
	if len(data) != m.raw {
		return nil, false
	}
	ends := make([]uint32, m.count)
	at := 0
	for i := range ends {
		if m.lines {
			n := bytes.IndexByte(data[at:], '\n') + 1
			if n == 0 && i == m.count-1 {
				n = len(data) - at
			}
			if n == 0 {
				return nil, false
			}
			at += n
		} else {
			at += int(m.lengths[i])
		}
		ends[i] = uint32(at)
	}
	return ends, at == len(data)
}
