package merkle

import "hc/lib/hash"

// Request asks a peer for a proof. Every part may be nil. Spec: hypercore's request message.
type Request struct {
	ID       uint64
	Fork     uint64
	Block    *BlockRequest
	Hash     *HashRequest
	Seek     *SeekRequest
	Upgrade  *UpgradeRequest
	Manifest bool
	Priority uint64
}

// BlockRequest asks for a block, proved Nodes levels up the tree.
type BlockRequest struct {
	Index uint64 // block
	Nodes uint64 // see [NodesFor]
}

// HashRequest asks for a node, proved Nodes levels up the tree.
type HashRequest struct {
	Index uint64 // flat-tree number
	Nodes uint64 // see [NodesFor]
}

// SeekRequest asks for the nodes that show which block holds a byte.
type SeekRequest struct {
	Bytes   uint64 // offset in the log, without padding
	Padding uint64 // bytes of each block that do not count
}

// UpgradeRequest asks for the proof that a log of Start blocks grew into one of Start+Length.
type UpgradeRequest struct {
	Start  uint64 // blocks
	Length uint64 // blocks
}

// Proof is the answer to a [Request]: the parts asked for. Spec: hypercore's data message.
type Proof struct {
	ID       uint64
	Fork     uint64
	Block    *BlockProof
	Hash     *HashProof
	Seek     *SeekProof
	Upgrade  *UpgradeProof
	Manifest []byte // encoded; nil if there is none
}

// BlockProof has a block and the siblings on its way up.
type BlockProof struct {
	Index uint64 // block
	Value []byte
	Nodes []Node

	Leaf *hash.Digest // leaf hash of Value if the verifier has computed it already; nil: Verify does
}

// HashProof has a node (first in Nodes, unless the seek part proves it) and the siblings on its way up.
type HashProof struct {
	Index uint64 // flat-tree number
	Nodes []Node
}

// SeekProof has the node found (first in Nodes) and the siblings on its way up.
type SeekProof struct {
	Bytes uint64 // as asked for
	Nodes []Node
}

// UpgradeProof has the nodes that turn Start blocks into Start+Length, and those that turn these into the prover's
// whole log, which Signature signs.
type UpgradeProof struct {
	Start      uint64 // blocks
	Length     uint64 // blocks
	Nodes      []Node
	Additional []Node
	Signature  []byte // the field, as package keys reads it
}
