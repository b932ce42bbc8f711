package merkle

import (
	"context"
	"fmt"
)

// NodesFor returns how many levels up the tree a proof of node n must go for a verifier that has verified length
// blocks: to the first node for which have returns true. It is 0 for a node at or beyond that length, which comes
// with an upgrade. The result goes into the Nodes field of a [BlockRequest] (n is twice the block) or [HashRequest].
func NodesFor(n, length uint64, have func(uint64) bool) uint64 {
	if length > MaxLength || n >= 2*length || RightSpan(n) >= 2*length {
		return 0
	}
	levels := uint64(0)
	for !Contains(n, 2*length) && !have(n) {
		levels++
		n = Parent(n)
	}
	return levels
}

// Seek returns the block that holds the byte at offset bytes of a log of length blocks, and the byte's offset in the
// block. Empty blocks hold none. The end of the log is (length, 0); a byte beyond it is [ErrInvalidRequest].
//
// It relies only on sizes that are certain: for a hint, the error is a [HintError] with the node. A missing node
// gives the source's error, such as [ErrNodeMissing].
func Seek(ctx context.Context, bytes, length uint64, nodes NodeSource) (block, offset uint64, err error) {
	get := func(n uint64) (uint64, error) {
		node, err := nodes.Node(ctx, n)
		if err != nil {
			return 0, fmt.Errorf("seeking byte %d: node %d: %w", bytes, n, err)
		}
		if node.Hint {
			return 0, fmt.Errorf("seeking byte %d: %w", bytes, &HintError{Index: n})
		}
		return node.Size, nil
	}
	left := bytes
	for _, n := range FullRoots(length) {
		size, err := get(n)
		if err != nil {
			return 0, 0, err
		}
		if left >= size {
			left -= size
			continue
		}
		for {
			l, r, ok := Children(n)
			if !ok {
				return n / 2, left, nil
			}
			if size, err = get(l); err != nil {
				return 0, 0, err
			}
			if left < size {
				n = l
			} else {
				n, left = r, left-size
			}
		}
	}
	if left > 0 {
		return 0, 0, fmt.Errorf("%w: byte %d is %d beyond the end", ErrInvalidRequest, bytes, left)
	}
	return length, 0, nil
}
