package store

import (
	"encoding/binary"
	"slices"

	"hc/lib/compact"
	"hc/lib/hash"
	"hc/lib/merkle"
)

// hasPassages reports whether some blocks are named as passages, which not every program reads.
func (m *spanMeta) hasPassages() bool {
	return slices.ContainsFunc(m.parts, func(p spanPart) bool { return p.passage != nil })
}

func (m *spanMeta) encode() []byte {
	b := []byte{0}
	if m.append {
		b[0] = spanAppend
	}
	passages := m.hasPassages()
	if passages {
		b[0] |= spanPassages
	}
	b = append(b, m.key[:]...)
	b = compact.AppendUint(b, m.first)
	b = compact.AppendUint(b, uint64(len(m.parts)))
	next := m.first
	for _, p := range m.parts {
		b = compact.AppendUint(b, p.first-next)
		next = p.end()
		b = p.encode(b, passages)
	}
	b = compact.AppendUint(b, uint64(len(m.roots)))
	for _, n := range m.roots {
		b = appendNode(b, n)
	}
	return b
}

// What a part's blocks are named by. Where no part is a passage, one bit tells.
const (
	partInRun   = 0
	partByLeaf  = 1
	partPassage = 2
)

func (p *spanPart) encode(b []byte, passages bool) []byte {
	kinds := uint64(2)
	if passages {
		kinds = 4
	}
	switch {
	case p.passage != nil:
		b = compact.AppendUint(b, kinds*p.count+partPassage)
		b = append(b, p.passage.leaf[:]...)
		return append(b, p.passage.check[:]...)
	case p.byLeaf != nil:
		b = compact.AppendUint(b, kinds*p.count+partByLeaf)
		for _, ref := range p.byLeaf {
			b = compact.AppendUint(b, ref.size)
			b = append(b, ref.leaf[:]...)
		}
		return b
	}
	b = compact.AppendUint(b, kinds*p.count+partInRun)
	b = compact.AppendUint(b, uint64(p.run))
	return compact.AppendUint(b, uint64(p.at))
}

func decodeSpan(meta []byte) (*spanMeta, error) {
	d := compact.NewDecoder(meta)
	flag := flags(d, spanAppend|spanPassages)
	m := &spanMeta{append: flag&spanAppend != 0, key: d.Fixed32(), first: d.Uint()}
	passages := flag&spanPassages != 0
	n := d.ArrayLen(4, maxSpanBlocks)
	if n == 0 {
		d.Fail("no parts")
	}
	m.parts = make([]spanPart, 0, n)
	next, total := m.first, uint64(0)
	for i := range n {
		gap := d.Uint()
		if gap != 0 && (i == 0 || m.append) {
			d.Fail("gap of %d blocks", gap)
		}
		p := readPart(d, next+gap, maxSpanBlocks-total, passages)
		if d.Err() != nil {
			break
		}
		next, total = p.end(), total+p.count
		if next > merkle.MaxLength {
			d.Fail("block %d is out of range", next-1)
		}
		m.parts = append(m.parts, p)
	}
	if d.Err() == nil && passages && (!m.append || !m.hasPassages()) {
		d.Fail("passages in a span that has none, or may not")
	}
	m.roots = readNodes(d, maxRecordNodes, false)
	return m, finish("span", d)
}

func readPart(d *compact.Decoder, first, max uint64, passages bool) spanPart {
	kinds := uint64(2)
	if passages {
		kinds = 4
	}
	what := d.Uint()
	p := spanPart{first: first, count: what / kinds}
	if d.Err() == nil && (p.count == 0 || p.count > max) {
		d.Fail("%d blocks in a part, the span has room for %d", p.count, max)
	}
	switch what % kinds {
	case partInRun:
		p.readRun(d)
	case partByLeaf:
		p.readLeaves(d)
	case partPassage:
		p.readPassage(d)
	default:
		d.Fail("a part of kind %d", what%kinds)
	}
	return p
}

func (p *spanPart) readRun(d *compact.Decoder) {
	run, at := d.Uint(), d.Uint()
	if run > 1<<32-1 || at+p.count > maxRunBlocks {
		d.Fail("blocks %d of run %d", at, run)
	}
	p.run, p.at = uint32(run), uint32(at)
}

func (p *spanPart) readLeaves(d *compact.Decoder) {
	if d.Err() == nil && p.count*(1+hash.Size) > uint64(d.Left()) {
		d.Fail("%d leaf hashes, but %d bytes are left", p.count, d.Left())
	}
	if d.Err() != nil {
		return
	}
	p.byLeaf = make([]leafRef, p.count)
	for i := range p.byLeaf {
		p.byLeaf[i] = leafRef{size: d.Uint(), leaf: d.Fixed32()}
		if p.byLeaf[i].size > maxBlock {
			d.Fail("block of %d bytes", p.byLeaf[i].size)
		}
	}
}

func (p *spanPart) readPassage(d *compact.Decoder) {
	if d.Err() == nil && (p.count < leastPassage || p.count > mostPassage) {
		d.Fail("a passage of %d blocks", p.count)
	}
	p.passage = &passage{leaf: d.Fixed32(), count: p.count}
	for i := 0; i < checkSize; i += 8 {
		binary.LittleEndian.PutUint64(p.passage.check[i:], d.Uint64())
	}
}
