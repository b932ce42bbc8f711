package records

import (
	"hc/lib/hash"
)

// The number of blocks in a passage.
const (
	LeastPassage = 2 // a single block is named by its leaf hash
	MostPassage  = 1024
)

const checkSize = 16 // bytes

// Passage names blocks that follow one another in a run of another append, by their content: so it means the same
// wherever that run is moved to, and whichever of several runs they are found in.
type Passage struct {
	Leaf  hash.Digest // of the first block
	check [checkSize]byte
	count uint64
}

// NewPassage returns the passage of blocks with these leaf hashes.
func NewPassage(leaves []hash.Digest) Passage {
	return Passage{Leaf: leaves[0], check: checkOf(leaves), count: uint64(len(leaves))}
}

// checkOf distinguishes passages that begin with the same block.
func checkOf(leaves []hash.Digest) (check [checkSize]byte) {
	joined := make([]byte, 0, hash.Size*len(leaves))
	for i := range leaves {
		joined = append(joined, leaves[i][:]...)
	}
	sum := hash.Sum(joined)
	copy(check[:], sum[:])
	return check
}

// At reports whether the passage begins with block number i of a run.
func (x *Passage) At(m *Run, i int) bool {
	return m.Leaves[i] == x.Leaf && x.count <= uint64(len(m.Leaves)-i) && checkOf(m.Leaves[i:i+int(x.count)]) == x.check
}

// In returns the number of the passage's first block in m, if m has all its blocks in a row.
func (x *Passage) In(m *Run) (number uint32, ok bool) {
	for i := range m.Leaves {
		if x.At(m, i) {
			return uint32(i), true
		}
	}
	return 0, false
}
