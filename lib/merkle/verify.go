package merkle

import (
	"context"

	"hc/lib/hash"
)

// State is what a verifier holds.
type State struct {
	Length uint64 // blocks
	Fork   uint64
	Roots  []Node // full roots of Length, certain, from left to right
}

// Verified is what a proof proved.
type Verified struct {
	Nodes     []Node // to store: received, computed, and known hints that became certain
	Leaf      *Node  // of the proof's block; nil if it has none
	Upgraded  bool
	Length    uint64 // blocks; the state's unless Upgraded
	Fork      uint64
	Roots     []Node
	TreeHash  hash.Digest // only if Upgraded
	Signature []byte      // the field, only if Upgraded; aliases the proof
}

// Verify checks a proof.
func Verify(ctx context.Context, proof *Proof, state State, known NodeSource, checkHead func(length, fork uint64, treeHash hash.Digest, signature []byte) error) (*Verified, error) {
	return nil, ErrUnverified
}
