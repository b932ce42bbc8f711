package merkle

import (
	"context"
	"fmt"
)

// HeadInfo is what a prover must know of its log beside its nodes.
type HeadInfo struct {
	Length    uint64 // blocks
	Fork      uint64
	Signature []byte // the field, as package keys writes it
}

// Prove answers a request.
func Prove(ctx context.Context, request Request, head HeadInfo, nodes NodeSource) (*Proof, error) {
	return nil, fmt.Errorf("%w: not made yet", ErrInvalidRequest)
}

// NodesFor returns the levels to ask for.
func NodesFor(n, length uint64, have func(uint64) bool) uint64 { return 0 }

// Seek returns the block that holds byte bytes, and where in it.
func Seek(ctx context.Context, bytes, length uint64, nodes NodeSource) (block, offset uint64, err error) {
	return 0, 0, ErrInvalidRequest
}
