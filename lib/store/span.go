package store

import (
	"hc/lib/keys"
	"hc/lib/merkle"
)

// spanBuilder gathers the blocks of an append span. Its zero value, with key and first, is empty.
type spanBuilder struct {
	key   keys.Key
	first uint64
	count uint64
	bytes int // of the meta, about
	parts []spanPart

	leaves []merkle.Node // not in roots yet
	roots  merkle.Cover
}

// inRun adds the next block, which is in a run of this append.
func (b *spanBuilder) inRun(node merkle.Node, run, at uint32) {
	block := node.Index / 2
	if n := len(b.parts); n > 0 && b.parts[n-1].byLeaf == nil && b.parts[n-1].run == run && uint64(b.parts[n-1].at)+b.parts[n-1].count == uint64(at) {
		b.parts[n-1].count++
	} else {
		b.parts = append(b.parts, spanPart{first: block, count: 1, run: run, at: at})
		b.bytes += 16
	}
	b.add(node)
}

// byLeaf adds the next block, which the store has.
func (b *spanBuilder) byLeaf(node merkle.Node) {
	ref := leafRef{node.Size, node.Hash}
	if n := len(b.parts); n > 0 && b.parts[n-1].byLeaf != nil {
		b.parts[n-1].byLeaf = append(b.parts[n-1].byLeaf, ref)
		b.parts[n-1].count++
	} else {
		b.parts = append(b.parts, spanPart{first: node.Index / 2, count: 1, byLeaf: []leafRef{ref}})
		b.bytes += 4
	}
	b.bytes += 5 + len(ref.leaf)
	b.add(node)
}

// leavesTogether is how many leaves of a span are hashed into its roots in one go.
const leavesTogether = 4096

func (b *spanBuilder) add(leaf merkle.Node) {
	b.count++
	if b.leaves = append(b.leaves, leaf); len(b.leaves) >= leavesTogether {
		b.hash()
	}
}

// fewLeaves are hashed one by one: they are the sooner done.
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

func (b *spanBuilder) meta() []byte {
	b.hash()
	m := spanMeta{append: true, key: b.key, first: b.first, parts: b.parts, roots: b.roots.Nodes()}
	return m.encode()
}

// next begins the next span, at a block.
func (b *spanBuilder) next(first uint64) {
	*b = spanBuilder{key: b.key, first: first, leaves: b.leaves[:0]}
}
