package store

import (
	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/records"
)

// spanBuilder gathers the blocks of an append span. Its zero value, with key and first, is empty.
type spanBuilder struct {
	key   keys.Key
	first uint64
	count uint64
	bytes int // of the meta, roughly
	parts []builtPart
	runs  int   // parts that are in a run
	from  place // of the last part, if its blocks form a passage
	alone int   // parts in a row, not counting the last, that began a passage and remained one block

	leaves []merkle.Node // not in roots yet
	roots  merkle.Cover
}

// builtPart is a part of a span that is not written yet.
type builtPart struct {
	records.Part
	together bool // the blocks in byLeaf are a passage, if it is long enough
}

// inRun adds the next block, which is in a run of this append.
func (b *spanBuilder) inRun(node merkle.Node, run, at uint32) {
	block := node.Index / 2
	if n := len(b.parts); n > 0 && b.parts[n-1].InRun() && b.parts[n-1].Run == run && uint64(b.parts[n-1].At)+b.parts[n-1].Count == uint64(at) {
		b.parts[n-1].Count++
	} else {
		b.parts = append(b.parts, builtPart{Part: records.Part{First: block, Count: 1, Run: run, At: at}})
		b.bytes += 16
		b.runs++
	}
	b.add(node)
}

// known is where the store has a block; zero if only this transaction has it.
type known struct {
	place
	indexed bool // a look-up finds it there
}

// known adds the next block, which the store has. Blocks that follow one another there become a passage, if the first
// of them is where a reader will look for it.
func (b *spanBuilder) known(node merkle.Node, at known) {
	ref := records.LeafRef{Size: node.Size, Leaf: node.Hash}
	n := len(b.parts) - 1
	switch {
	case b.goesOn(at.place):
		b.alone = 0
	case at.indexed:
		b.from, n = at.place, n+1
		b.alone++
		b.parts = append(b.parts, builtPart{records.Part{First: node.Index / 2, ByLeaf: []records.LeafRef{}}, true})
		b.bytes += 4
	case n < 0 || b.parts[n].ByLeaf == nil || b.parts[n].together:
		n++
		b.parts = append(b.parts, builtPart{records.Part{First: node.Index / 2, ByLeaf: []records.LeafRef{}}, false})
		b.bytes += 4
	}
	b.parts[n].ByLeaf = append(b.parts[n].ByLeaf, ref)
	b.parts[n].Count++
	b.bytes += 5 + len(ref.Leaf)
	b.add(node)
}

// goesOn reports whether a block follows the last one of a passage.
func (b *spanBuilder) goesOn(at place) bool {
	if len(b.parts) == 0 {
		return false
	}
	last := &b.parts[len(b.parts)-1]
	return last.together && last.Count < records.MostPassage && at.Run == b.from.Run && uint64(at.At) == uint64(b.from.At)+last.Count
}

// mostAlone is the number of single blocks in a row after which no more passages are looked for: the blocks are in
// another order.
const mostAlone = 4

// mayBegin reports whether it is worth looking up whether a passage begins with a block.
func (b *spanBuilder) mayBegin(at place) bool {
	return at != (place{}) && b.alone < mostAlone && !b.goesOn(at)
}

// named returns the parts as they are written.
func (b *spanBuilder) named() []records.Part {
	parts := make([]records.Part, 0, len(b.parts))
	leaves := make([]hash.Digest, 0, records.MostPassage)
	for _, p := range b.parts {
		n := len(parts) - 1
		switch {
		case p.together && p.Count >= records.LeastPassage:
			leaves = leaves[:0]
			for _, ref := range p.ByLeaf {
				leaves = append(leaves, ref.Leaf)
			}
			x := records.NewPassage(leaves)
			parts = append(parts, records.Part{First: p.First, Count: p.Count, Passage: &x})
		case p.ByLeaf != nil && n >= 0 && parts[n].ByLeaf != nil:
			parts[n].ByLeaf, parts[n].Count = append(parts[n].ByLeaf, p.ByLeaf...), parts[n].Count+p.Count
		default:
			parts = append(parts, p.Part)
		}
	}
	return parts
}

// leavesTogether is how many leaves of a span are hashed into its roots in one go.
const leavesTogether = 4096

func (b *spanBuilder) add(leaf merkle.Node) {
	b.count++
	if b.leaves = append(b.leaves, leaf); len(b.leaves) >= leavesTogether {
		b.hash()
	}
}

// fewLeaves are hashed one by one, which is faster for so few.
const fewLeaves = 4

func (b *spanBuilder) hash() {
	if len(b.leaves) > fewLeaves {
		b.roots.AddLeaves(b.leaves)
	} else {
		for _, leaf := range b.leaves {
			b.roots.Add(leaf)
		}
	}
	b.leaves = b.leaves[:0]
}

func (b *spanBuilder) meta() *records.Span {
	b.hash()
	return &records.Span{Append: true, Key: b.key, First: b.first, Parts: b.named(), Roots: b.roots.Nodes()}
}

// next begins the next span, at a block.
func (b *spanBuilder) next(first uint64) {
	*b = spanBuilder{key: b.key, first: first, leaves: b.leaves[:0], alone: b.alone}
}
