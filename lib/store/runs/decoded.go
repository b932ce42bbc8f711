package runs

import (
	"io"
	"sync"

	"hc/lib/hash"
	"hc/lib/lent"
	"hc/lib/merkle"
	"hc/lib/store/records"
)

// Decoded is a run with its blocks. It is immutable as long as its memory is held.
type Decoded struct {
	meta   *records.Run
	data   []byte
	memory *lent.Memory // which data is in, held as long as the reader holds the run; nil: the garbage collector's
	ends   []uint32
	pack   io.ReaderAt // the file that has data as it is, at that offset; nil if it is stored otherwise
	offset int64

	once   sync.Once
	leaves []hash.Digest
}

func (r *Decoded) start(i uint32) uint32 {
	if i == 0 {
		return 0
	}
	return r.ends[i-1]
}

func (r *Decoded) block(i uint32) []byte { return r.data[r.start(i):r.ends[i]:r.ends[i]] }

// Hash computes the leaf hashes, if the run does not have them.
func (r *Decoded) Hash() {
	r.once.Do(func() {
		if r.leaves = r.meta.Leaves; r.leaves == nil {
			r.leaves = LeavesOf(r.data, r.ends)
		}
	})
}

// Leaf returns the tree node of block number i of the run, as a given block of a core.
func (r *Decoded) Leaf(i uint32, block uint64) merkle.Node {
	r.Hash()
	return merkle.LeafNodeHash(block, uint64(len(r.block(i))), r.leaves[i])
}

// LeavesOf returns the leaf hashes of a run whose bytes are data, split at the blocks' ends.
func LeavesOf(data []byte, ends []uint32) []hash.Digest {
	blocks := make([][]byte, len(ends))
	at := uint32(0)
	for i, end := range ends {
		blocks[i], at = data[at:end], end
	}
	leaves := make([]hash.Digest, len(blocks))
	hash.Leaves(leaves, blocks)
	return leaves
}
