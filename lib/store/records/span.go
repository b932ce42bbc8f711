package records

import (
	"encoding/binary"
	"slices"

	"hc/lib/compact"
	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
)

const (
	spanAppend   = 1 // flag
	spanPassages = 2 // flag: some parts are passages
)

// Span names blocks that a core gains.
type Span struct {
	Append bool // it begins where the core, or the span before it, ended
	Key    keys.Key
	First  uint64
	Parts  []Part // ascending
	Roots  []merkle.Node
}

// noRun is the LowestRun of a span that names no run.
const noRun = 1 << 32

// LowestRun returns the lowest ordinal of the runs that the span names, or one above all if it names none.
func (m *Span) LowestRun() (lowest uint64) {
	lowest = noRun
	for _, p := range m.Parts {
		if p.InRun() {
			lowest = min(lowest, uint64(p.Run))
		}
	}
	return lowest
}

// Part is neighbouring blocks of a core.
type Part struct {
	First  uint64    // block
	Count  uint64    // blocks
	Run    uint32    // ordinal of the run in its append
	At     uint32    // number of the first block in the run
	ByLeaf []LeafRef // Count of them; nil: in a run, or a passage

	Passage *Passage // of Count blocks; nil: in a run, or by leaf
}

// InRun reports whether the part's blocks are in a run of the same append.
func (p *Part) InRun() bool { return p.ByLeaf == nil && p.Passage == nil }

// LeafRef names a block that the store has.
type LeafRef struct {
	Size uint64 // bytes
	Leaf hash.Digest
}

// End returns the block after the last one.
func (p Part) End() uint64 { return p.First + p.Count }

// HasPassages reports whether some parts are passages, which not every program can read.
func (m *Span) HasPassages() bool {
	return slices.ContainsFunc(m.Parts, func(p Part) bool { return p.Passage != nil })
}

// Encode returns the meta.
func (m *Span) Encode() []byte {
	b := []byte{0}
	if m.Append {
		b[0] = spanAppend
	}
	passages := m.HasPassages()
	if passages {
		b[0] |= spanPassages
	}
	b = append(b, m.Key[:]...)
	b = compact.AppendUint(b, m.First)
	b = compact.AppendUint(b, uint64(len(m.Parts)))
	next := m.First
	for _, p := range m.Parts {
		b = compact.AppendUint(b, p.First-next)
		next = p.End()
		b = p.encode(b, passages)
	}
	b = compact.AppendUint(b, uint64(len(m.Roots)))
	for _, n := range m.Roots {
		b = appendNode(b, n)
	}
	return b
}

// The kinds of parts. If no part is a passage, they take one bit.
const (
	partInRun   = 0
	partByLeaf  = 1
	partPassage = 2
)

func (p *Part) encode(b []byte, passages bool) []byte {
	kinds := uint64(2)
	if passages {
		kinds = 4
	}
	switch {
	case p.Passage != nil:
		b = compact.AppendUint(b, kinds*p.Count+partPassage)
		b = append(b, p.Passage.Leaf[:]...)
		return append(b, p.Passage.check[:]...)
	case p.ByLeaf != nil:
		b = compact.AppendUint(b, kinds*p.Count+partByLeaf)
		for _, ref := range p.ByLeaf {
			b = compact.AppendUint(b, ref.Size)
			b = append(b, ref.Leaf[:]...)
		}
		return b
	}
	b = compact.AppendUint(b, kinds*p.Count+partInRun)
	b = compact.AppendUint(b, uint64(p.Run))
	return compact.AppendUint(b, uint64(p.At))
}

// DecodeSpan decodes a span record's meta.
func DecodeSpan(meta []byte) (*Span, error) {
	d := compact.NewDecoder(meta)
	flag := flags(d, spanAppend|spanPassages)
	m := &Span{Append: flag&spanAppend != 0, Key: d.Fixed32(), First: d.Uint()}
	passages := flag&spanPassages != 0
	n := d.ArrayLen(4, MaxSpanBlocks)
	if n == 0 {
		d.Fail("no parts")
	}
	m.Parts = make([]Part, 0, n)
	next, total := m.First, uint64(0)
	for i := range n {
		gap := d.Uint()
		if gap != 0 && (i == 0 || m.Append) {
			d.Fail("gap of %d blocks", gap)
		}
		p := readPart(d, next+gap, MaxSpanBlocks-total, passages)
		if d.Err() != nil {
			break
		}
		next, total = p.End(), total+p.Count
		if next > merkle.MaxLength {
			d.Fail("block %d is out of range", next-1)
		}
		m.Parts = append(m.Parts, p)
	}
	if d.Err() == nil && passages && (!m.Append || !m.HasPassages()) {
		d.Fail("passages flag on a span that has none, or may have none")
	}
	m.Roots = readNodes(d, maxNodes, false)
	return m, finish("span", d)
}

func readPart(d *compact.Decoder, first, max uint64, passages bool) Part {
	kinds := uint64(2)
	if passages {
		kinds = 4
	}
	what := d.Uint()
	p := Part{First: first, Count: what / kinds}
	if d.Err() == nil && (p.Count == 0 || p.Count > max) {
		d.Fail("%d blocks in a part, the span has room for %d", p.Count, max)
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

func (p *Part) readRun(d *compact.Decoder) {
	run, at := d.Uint(), d.Uint()
	if run > 1<<32-1 || at+p.Count > MaxRunBlocks {
		d.Fail("blocks %d of run %d", at, run)
	}
	p.Run, p.At = uint32(run), uint32(at)
}

func (p *Part) readLeaves(d *compact.Decoder) {
	if d.Err() == nil && p.Count*(1+hash.Size) > uint64(d.Left()) {
		d.Fail("%d leaf hashes, but %d bytes are left", p.Count, d.Left())
	}
	if d.Err() != nil {
		return
	}
	p.ByLeaf = make([]LeafRef, p.Count)
	for i := range p.ByLeaf {
		p.ByLeaf[i] = LeafRef{Size: d.Uint(), Leaf: d.Fixed32()}
		if p.ByLeaf[i].Size > MaxBlock {
			d.Fail("block of %d bytes", p.ByLeaf[i].Size)
		}
	}
}

func (p *Part) readPassage(d *compact.Decoder) {
	if d.Err() == nil && (p.Count < LeastPassage || p.Count > MostPassage) {
		d.Fail("a passage of %d blocks", p.Count)
	}
	p.Passage = &Passage{Leaf: d.Fixed32(), count: p.Count}
	for i := 0; i < checkSize; i += 8 {
		binary.LittleEndian.PutUint64(p.Passage.check[i:], d.Uint64())
	}
}
